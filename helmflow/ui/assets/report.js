"use strict";
(() => {
  const root = document.documentElement;
  const all = (what, where = document) => Array.from(where.querySelectorAll(what));
  const search = document.getElementById("search");
  const hits = document.getElementById("hits");
  const releases = all("details.release");
  const searchable = all("[data-search]");
  let marks = [], at = -1, timer = 0, openBefore = null;

  // -- theme -------------------------------------------------------------
  const themeButton = document.getElementById("theme");
  themeButton.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  // -- folds -------------------------------------------------------------
  const fold = (open) => all("details.release, details.object").forEach((one) => { if (!one.closest(".gone")) one.open = open; });
  document.getElementById("expand").addEventListener("click", () => fold(true));
  document.getElementById("collapse").addEventListener("click", () => fold(false));

  // -- following a release ------------------------------------------------
  const follow = (id) => {
    const target = document.getElementById(id);
    if (!target || !target.matches("details.release")) return false;
    target.classList.remove("gone");
    target.open = true;
    const objects = all("details.object", target);
    if (objects.length <= 3) objects.forEach((one) => { one.open = true; });
    target.scrollIntoView({ block: "start" });
    target.classList.remove("flash");
    void target.offsetWidth;
    target.classList.add("flash");
    target.querySelector("summary").focus({ preventScroll: true });
    return true;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#r']");
    if (link && follow(link.getAttribute("href").slice(1))) {
      event.preventDefault();
      history.replaceState(null, "", link.getAttribute("href"));
    }
  });
  window.addEventListener("hashchange", () => follow(location.hash.slice(1)));

  // -- the graph: what is connected with the box under the pointer ---------
  const nodes = all("svg .node"), edges = all("svg .edge");
  const light = (key) => {
    const near = new Set([key]);
    edges.forEach((edge) => {
      const on = key !== "" && (edge.dataset.from === key || edge.dataset.to === key);
      edge.classList.toggle("on", on);
      if (on) { near.add(edge.dataset.from); near.add(edge.dataset.to); }
    });
    nodes.forEach((node) => node.classList.toggle("on", key !== "" && near.has(node.dataset.key)));
  };
  nodes.forEach((node) => {
    ["mouseenter", "focus"].forEach((what) => node.addEventListener(what, () => light(node.dataset.key)));
    ["mouseleave", "blur"].forEach((what) => node.addEventListener(what, () => light("")));
  });

  // -- search: a match may reach over several text nodes, so it is a group of marks ---
  const unmark = () => {
    marks.flat().forEach((mark) => { const parent = mark.parentNode; mark.replaceWith(...mark.childNodes); parent.normalize(); });
    marks = []; at = -1;
  };
  const markIn = (element, wanted) => {
    const whole = element.textContent.toLowerCase();
    const found = [];
    for (let from = whole.indexOf(wanted); from >= 0; from = whole.indexOf(wanted, from + wanted.length)) found.push(from);
    // From the end, so that positions before a mark stay true.
    const made = found.reverse().map((from) => {
      const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
      const parts = [];
      for (let start = 0; walker.nextNode(); start += walker.currentNode.data.length) {
        const node = walker.currentNode;
        const first = Math.max(from - start, 0), last = Math.min(from + wanted.length - start, node.data.length);
        if (first < last) parts.push([node, first, last]);
      }
      return parts.map(([node, first, last]) => {
        const range = document.createRange();
        range.setStart(node, first);
        range.setEnd(node, last);
        const mark = document.createElement("mark");
        range.surroundContents(mark);
        return mark;
      });
    });
    marks.push(...made.reverse());
  };
  const show = (step) => {
    if (!marks.length) return;
    if (at >= 0) marks[at].forEach((mark) => mark.classList.remove("now"));
    at = at < 0 ? (step > 0 ? 0 : marks.length - 1) : (at + step + marks.length) % marks.length;
    const mark = marks[at][0];
    for (let one = mark.closest("details"); one; one = one.parentElement.closest("details")) one.open = true;
    marks[at].forEach((part) => part.classList.add("now"));
    mark.scrollIntoView({ block: "center" });
    hits.textContent = `${at + 1} of ${marks.length}`;
  };
  const run = () => {
    unmark();
    const wanted = search.value.toLowerCase();
    if (wanted === "") {
      if (openBefore) { openBefore.forEach((open, one) => { one.open = open; }); openBefore = null; }
      all(".gone").forEach((one) => { if (!one.dataset.filtered) one.classList.remove("gone"); });
      hits.textContent = "";
      return;
    }
    if (!openBefore) openBefore = new Map(all("details").map((one) => [one, one.open]));
    searchable.forEach((element) => { if (element.textContent.toLowerCase().includes(wanted)) markIn(element, wanted); });
    all("details.object").forEach((one) => {
      const found = one.querySelector("mark") !== null;
      one.classList.toggle("gone", !found && one.closest("details.release").querySelector("summary mark") === null);
      one.open = found;
    });
    releases.forEach((one) => {
      const found = one.querySelector("mark") !== null;
      if (!one.dataset.filtered) one.classList.toggle("gone", !found);
      one.open = found;
    });
    hits.textContent = marks.length ? `${marks.length} found` : "nothing found";
  };
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(run, 120); });

  // -- filters ----------------------------------------------------------------
  const filters = all("[data-filter]");
  filters.forEach((button) => button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    filters.forEach((other) => other.setAttribute("aria-pressed", String(on && other === button)));
    releases.forEach((one) => {
      const hide = on && !one.dataset.words.split(" ").includes(button.dataset.filter);
      if (hide) one.dataset.filtered = "1"; else delete one.dataset.filtered;
      one.classList.toggle("gone", hide);
    });
    if (search.value) run();
  }));

  // -- keys -------------------------------------------------------------------
  const neighbour = (step) => {
    const shown = releases.filter((one) => !one.classList.contains("gone"));
    if (!shown.length) return;
    const now = shown.indexOf(document.activeElement ? document.activeElement.closest("details.release") : null);
    const next = shown[now < 0 ? (step > 0 ? 0 : shown.length - 1) : Math.min(Math.max(now + step, 0), shown.length - 1)];
    next.querySelector("summary").focus();
    next.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.target === search) {
      if (event.key === "Enter") { clearTimeout(timer); if (!marks.length) run(); show(event.shiftKey ? -1 : 1); event.preventDefault(); }
      if (event.key === "Escape") { search.value = ""; run(); search.blur(); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const action = { "/": () => search.focus(), j: () => neighbour(1), k: () => neighbour(-1), e: () => fold(true), c: () => fold(false),
      n: () => show(1), N: () => show(-1), t: () => themeButton.click() }[event.key];
    if (action) { event.preventDefault(); action(); }
  });

  if (location.hash) follow(location.hash.slice(1));
  root.dataset.ready = "yes";
})();
