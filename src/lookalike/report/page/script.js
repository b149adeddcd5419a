"use strict";
// Without this script every section is shown one below the other; it only adds tabs, sorting and the JSON button.
(() => {
  document.documentElement.classList.add("scripted");

  const tabs = [...document.querySelectorAll('[role="tab"]')];
  const panel = (tab) => document.getElementById(tab.getAttribute("aria-controls"));
  const open = (chosen) => {
    for (const tab of tabs) {
      const isChosen = tab === chosen;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      panel(tab).classList.toggle("open", isChosen);
    }
  };
  tabs.forEach((tab, place) => {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", (event) => {
      const next = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      const target = tabs[(next + tabs.length) % tabs.length];
      open(target);
      target.focus();
    });
  });
  const named = () => tabs.find((tab) => tab.id.slice(4) === location.hash.replace(/^#(panel-)?/, ""));
  open(named() || tabs[0]);
  addEventListener("hashchange", () => {
    const tab = named();
    if (!tab) return;
    open(tab);
    document.getElementById("details").scrollIntoView();
    tab.focus();
  });
  if (named()) document.getElementById("details").scrollIntoView();

  const valueOf = (row, place) => {
    const cell = row.cells[place];
    return cell.dataset.value === undefined ? cell.textContent.trim() : Number.parseFloat(cell.dataset.value);
  };
  const compare = (first, second, sign) => {
    if (typeof first === "number") {
      if (Number.isNaN(first) || Number.isNaN(second)) return Number.isNaN(first) - Number.isNaN(second);
      return sign * (first - second);
    }
    return sign * first.localeCompare(second, undefined, { numeric: true });
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = "Sort by this column";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const ascending = head.getAttribute("aria-sort") !== "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        const rows = [...body.rows].sort((a, b) => compare(valueOf(a, place), valueOf(b, place), ascending ? 1 : -1));
        body.append(...rows);
      });
    });
  }

  // what is folded away on a screen is printed
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("details:not([open])")];
    for (const details of unfolded) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of unfolded) details.open = false;
  });

  const save = document.getElementById("save-json");
  save.hidden = false;
  save.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([document.getElementById("scorecard").textContent], { type: "application/json" }));
    link.download = "scorecard.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });
})();
