"use strict";
(() => {
  const search = document.getElementById("search");
  const found = document.getElementById("found");
  const hint = found.textContent;
  const groups = [...document.querySelectorAll("details.group")].map((group) => ({
    group,
    name: group.querySelector("summary").textContent.toLowerCase(),
    hits: [...group.querySelectorAll(".hit")],
    texts: null,
  }));
  const loose = [...document.querySelectorAll(".hit")].filter((hit) => !hit.closest("details.group"));
  // As many groups as a person looks at are opened; the rest say by themselves how many they hold.
  const OPENED = 20;

  const look = () => {
    const wanted = search.value.trim().toLowerCase();
    let matches = 0;
    let opened = 0;
    for (const entry of groups) {
      entry.texts ??= entry.hits.map((hit) => hit.textContent.toLowerCase());
      const named = wanted !== "" && entry.name.includes(wanted);
      let within = 0;
      entry.hits.forEach((hit, index) => {
        const hits = wanted === "" || entry.texts[index].includes(wanted);
        hit.hidden = !hits && !named;
        within += hits ? 1 : 0;
      });
      matches += named && within === 0 ? 1 : within;
      entry.group.hidden = wanted !== "" && within === 0 && !named;
      const open = wanted !== "" && within > 0 && opened < OPENED;
      opened += open ? 1 : 0;
      entry.group.open = open;
    }
    for (const hit of loose) {
      const hits = wanted === "" || hit.textContent.toLowerCase().includes(wanted);
      hit.hidden = !hits;
      matches += hits ? 1 : 0;
    }
    found.textContent = wanted === "" ? hint : matches === 1 ? "1 match" : `${matches} matches`;
  };

  let waiting = 0;
  search.addEventListener("input", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(look);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== search && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "Escape" && document.activeElement === search) {
      search.value = "";
      look();
      search.blur();
    }
  });

  // A link to a group opens it, and the keyboard goes on from there.
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) {
      target.hidden = false;
      target.open = true;
      target.querySelector("summary").focus();
      target.scrollIntoView({ block: "start" });
    }
  };
  addEventListener("hashchange", reveal);
  for (const cell of document.querySelectorAll("a.cell")) {
    cell.addEventListener("click", () => setTimeout(reveal));
  }
  reveal();

  // The map is one stop of the tabulator; arrows move in it.
  const cells = [...document.querySelectorAll("a.cell")];
  cells.forEach((cell, index) => { cell.tabIndex = index === 0 ? 0 : -1; });
  document.querySelector(".map")?.addEventListener("keydown", (event) => {
    const at = cells.indexOf(document.activeElement);
    if (at < 0) return;
    const across = cells.filter((cell) => cell.offsetTop === cells[0].offsetTop).length;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across, Home: -at, End: cells.length - 1 - at };
    const next = cells[at + steps[event.key]];
    if (!(event.key in steps) || !next) return;
    event.preventDefault();
    cells[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  // On paper the addresses are shown once, by IP set.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = groups.map(({ group }) => group).filter((group) => !group.open && !group.closest(".items"));
    closed.forEach((group) => { group.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((group) => { group.open = false; }));
})();
