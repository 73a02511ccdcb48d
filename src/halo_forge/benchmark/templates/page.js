"use strict";
// What every page's script needs. Everything a model wrote is set as text, never as HTML.

function element(name, text, className) {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

// What is cut at its height can be scrolled by keyboard.
function scrollable(nodes) {
  for (const node of nodes) if (node.scrollHeight > node.clientHeight || node.scrollWidth > node.clientWidth) node.tabIndex = 0;
}

// The buttons of a long table are one stop of the tab key; the arrow keys go from one to the next.
for (const table of document.querySelectorAll(".tall")) {
  const buttons = [...table.querySelectorAll("button")];
  for (const button of buttons.slice(1)) button.tabIndex = -1;
  table.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, Home: -at, End: buttons.length - 1 - at }[event.key];
    if (at < 0 || step === undefined) return;
    event.preventDefault();
    const next = buttons[Math.min(Math.max(at + step, 0), buttons.length - 1)];
    buttons[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}
