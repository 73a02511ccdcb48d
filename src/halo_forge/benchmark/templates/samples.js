// The sample browser.
(() => {
  const PAGE = 10;
  const { samples, prompts } = JSON.parse(document.getElementById("carried").textContent);
  const list = document.getElementById("samples-list");
  const found = document.getElementById("found");
  const more = document.getElementById("more");
  const filters = { model: null, task: null, status: null };
  const search = document.getElementById("search");
  let matching = [];
  let shown = 0;

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
    const cards = matching.slice(shown, shown + PAGE).map(card);
    list.append(...cards);
    scrollable(list.querySelectorAll("pre"));
    shown = Math.min(shown + PAGE, matching.length);
    more.hidden = shown >= matching.length;
    return cards[0];
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
  more.addEventListener("click", () => {
    const first = showMore();
    first.tabIndex = -1;
    first.focus({ preventScroll: true });
  });
  for (const link of document.querySelectorAll("button[data-task]")) {
    link.addEventListener("click", () => {
      filters.task.value = link.dataset.task;
      filter();
      document.getElementById("samples").scrollIntoView();
      filters.task.focus({ preventScroll: true });
    });
  }
  filter();
})();
