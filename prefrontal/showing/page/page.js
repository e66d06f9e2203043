"use strict";
// The page: its sections in order, and links to them.

(function start() {
  const runs = DATA.runs;
  document.title = `${runs.map((run) => run.name).join(", ")} – prefrontal report`;
  const main = document.getElementById("main");
  main.replaceChildren();
  const parts = [overview, findingsSection, fitsSection, curvesSection, playersSection, figuresSection, settingsSection];
  for (const part of parts) {
    const made = part(runs);
    if (made) main.append(made);
  }
  const links = [...main.querySelectorAll("h2[id]")].map((one) => el("a", { href: `#${one.id}` }, one.textContent));
  document.getElementById("nav").append(...links);
  document.getElementById("foot").textContent = `Written by prefrontal ${DATA.version}. The file holds all of its data and asks no host for anything.`;
  document.documentElement.dataset.ready = "true";
})();
