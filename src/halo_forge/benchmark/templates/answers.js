// What changed in the answers to a task: one column a model, the lines marked that its neighbours do not have.
(() => {
  const { answers } = JSON.parse(document.getElementById("carried").textContent);
  const select = document.getElementById("changed-task");
  if (!select) return;
  const place = document.getElementById("changed-answers");
  const steps = [document.getElementById("changed-before"), document.getElementById("changed-after")];

  function column(answer) {
    const node = element("section", undefined, "answer");
    const head = element("p", undefined, "head");
    head.append(element("b", answer.model), element("span", answer.status.replaceAll("_", " "), "tag " + answer.status),
      element("span", answer.passed + " of " + answer.samples + " pass"),
      element("span", answer.times === 1 ? "drawn once" : "drawn " + answer.times + " times"));
    const pre = element("pre");
    answer.text.split("\n").forEach((text, i) => {
      const isNew = "+*".includes(answer.marks[i]), isGone = "-*".includes(answer.marks[i]);
      const line = element("span", undefined, "line" + (isNew ? " new" : "") + (isGone ? " gone" : ""));
      line.append(element("span", (isNew ? "+" : " ") + (isGone ? "−" : " "), "sign"), text + "\n");
      pre.append(line);
    });
    node.append(head, pre);
    return node;
  }

  function show() {
    place.replaceChildren(...answers[select.selectedIndex].answers.map(column));
    scrollable(place.querySelectorAll("pre"));
    steps[0].disabled = select.selectedIndex === 0;
    steps[1].disabled = select.selectedIndex === answers.length - 1;
  }

  for (const row of answers) {
    const passed = row.answers.map((answer) => answer.model + " " + answer.passed + "/" + answer.samples);
    const option = element("option", row.task + ": " + passed.join(", "));
    option.value = row.task;
    select.append(option);
  }
  select.addEventListener("change", show);
  steps.forEach((button, i) => button.addEventListener("click", () => {
    select.selectedIndex += i === 0 ? -1 : 1;
    show();
    if (button.disabled) select.focus();
  }));
  for (const link of document.querySelectorAll("button[data-changed]")) {
    link.addEventListener("click", () => {
      select.value = link.dataset.changed;
      show();
      document.getElementById("changed").scrollIntoView();
      select.focus({ preventScroll: true });
    });
  }
  show();
})();
