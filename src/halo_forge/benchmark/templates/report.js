"use strict";
// The sample browser. Everything a model wrote is set as text, never as HTML.
(() => {
  const PAGE = 10;
  const { samples, prompts } = JSON.parse(document.getElementById("samples-data").textContent);
  const list = document.getElementById("samples-list");
  const found = document.getElementById("found");
  const more = document.getElementById("more");
  const filters = { model: null, task: null, status: null };
  const search = document.getElementById("search");
  let matching = [];
  let shown = 0;

  function element(name, text, className) {
    const node = document.createElement(name);
    if (text !== undefined) node.textContent = text;
    if (className) node.className = className;
    return node;
  }

  function card(sample) {
    const node = element("article", undefined, "sample");
    const head = element("header");
    head.append(element("b", sample.task), element("span", sample.model),
      element("span", sample.status.replaceAll("_", " "), "tag " + sample.status),
      element("span", "reward " + (sample.reward ?? "none")), element("span", sample.tests + " tests"),
      element("span", sample.tokens + " tokens" + (sample.finish === "length" ? ", cut off" : "")),
      element("span", "sample " + sample.index));
    node.append(head);
    if (prompts[sample.task] !== undefined) {
      const prompt = element("details");
      prompt.append(element("summary", "Prompt"), element("pre", prompts[sample.task]));
      node.append(prompt);
    }
    node.append(element("pre", sample.completion || "(empty completion)"));
    if (sample.detail) node.append(element("span", "What the verifier said", "note"), element("pre", sample.detail));
    return node;
  }

  function showMore() {
    for (const sample of matching.slice(shown, shown + PAGE)) list.append(card(sample));
    shown = Math.min(shown + PAGE, matching.length);
    more.hidden = shown >= matching.length;
  }

  function filter() {
    const words = search.value.toLowerCase();
    matching = samples.filter((sample) =>
      Object.entries(filters).every(([key, select]) => !select.value || sample[key] === select.value) &&
      (!words || (sample.completion + "\n" + sample.detail).toLowerCase().includes(words)));
    found.textContent = matching.length + (matching.length === 1 ? " sample" : " samples");
    list.replaceChildren();
    shown = 0;
    showMore();
  }

  for (const key of Object.keys(filters)) {
    const select = filters[key] = document.getElementById("by-" + key);
    const values = [...new Set(samples.map((sample) => sample[key]))];
    for (const value of key === "model" ? values : values.sort()) {
      const option = element("option", key === "status" ? value.replaceAll("_", " ") : value);
      option.value = value;
      select.append(option);
    }
    select.addEventListener("change", filter);
  }
  search.addEventListener("input", filter);
  more.addEventListener("click", showMore);
  for (const link of document.querySelectorAll("button[data-task]")) {
    link.addEventListener("click", () => {
      filters.task.value = link.dataset.task;
      filter();
      document.getElementById("samples").scrollIntoView();
    });
  }
  filter();
})();
