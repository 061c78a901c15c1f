"use strict";
(() => {
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  for (const each of all(".filter, .zoom, .folds")) each.hidden = false;

  const unfold = () => {
    const wanted = document.getElementById(location.hash.slice(1));
    if (wanted instanceof HTMLDetailsElement) {
      wanted.hidden = false;
      wanted.open = true;
      wanted.scrollIntoView();
    }
  };
  addEventListener("hashchange", unfold);
  unfold();
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#c']");
    if (link && link.getAttribute("href") === location.hash) unfold();
  });

  // What is folded does not reach the paper: findings are printed with all their evidence.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("#findings details:not([open])");
    for (const each of folded) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of folded) each.open = false; });

  const chart = one("#chart");
  if (chart) one("#zoom").addEventListener("input", (event) => { chart.style.width = `${event.target.value * 100}%`; });

  const table = one("#table");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const sections = new Map(all(".conversation").map((each) => [each.id.slice(1), each]));
  let words = null;
  const wordsOf = (row) => {
    const section = sections.get(row.dataset.id);
    const said = section ? Array.from(section.querySelectorAll("summary"), (each) => each.textContent) : [];
    return [row.textContent, ...said].join(" ").toLowerCase();
  };

  const filter = () => {
    const wanted = one("#filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdict = one("#verdict").value;
    const only = one("#only").checked;
    if (wanted.length && !words) words = new Map(rows.map((row) => [row, wordsOf(row)]));
    let count = 0;
    for (const row of rows) {
      const fits = (!verdict || row.dataset.verdict === verdict)
        && (!only || row.lastElementChild.textContent !== "")
        && wanted.every((word) => words.get(row).includes(word));
      row.hidden = !fits;
      const section = sections.get(row.dataset.id);
      if (section) section.hidden = !fits;
      count += fits;
    }
    one("#shown").value = `${count} of ${rows.length} shown`;
  };
  for (const each of all("#filter, #verdict, #only")) each.addEventListener("input", filter);
  one("form.filter").addEventListener("submit", (event) => event.preventDefault());
  filter();

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : BigInt(cell.dataset.value);
  };
  const sort = (head) => {
    const isAscending = head.getAttribute("aria-sort") !== "ascending";
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
    const keyed = rows.map((row) => [valueOf(row, head.cellIndex), row]);
    keyed.sort(([a], [b]) => (typeof a === "bigint" ? (a < b ? -1 : Number(a > b)) : a.localeCompare(b)));
    if (!isAscending) keyed.reverse();
    body.append(...keyed.map(([, row]) => row));
  };
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(head));
    head.replaceChildren(button);
  }

  const foldAll = (isOpen) => { for (const each of sections.values()) if (!each.hidden) each.open = isOpen; };
  one("#unfold").addEventListener("click", () => foldAll(true));
  one("#fold").addEventListener("click", () => { for (const each of all("#said details")) each.open = false; });
})();
