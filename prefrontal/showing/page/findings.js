"use strict";
// Cards of runs, the table of findings, figures and settings.

const SAID = { met: "✓ met", open: "○ open", missed: "✗ missed" };

function verdict(name) {
  return name ? el("span", { class: `verdict ${name}` }, SAID[name]) : "";
}

function tally(findings) {
  const counts = Object.keys(SAID).map((name) => [name, findings.filter((one) => one.verdict === name).length]);
  return counts.some(([, count]) => count) ? counts.map(([name, count]) => [el("span", { class: `verdict ${name}` }, `${SAID[name].slice(0, 2)}${count} ${name}`), " "]) : null;
}

function overview(runs) {
  return el("section", { "aria-labelledby": "overview" },
    el("h1", { id: "overview" }, runs.map((run) => run.name).join("  ·  ")),
    runs.length === 1 ? el("p", { class: "lead" }, runs[0].title) : null,
    el("div", { class: "grid" }, runs.map((run) => el("article", { class: "card" },
      runs.length > 1 ? [el("h3", {}, run.name), el("p", { class: "lead" }, run.title)] : null,
      run.findings ? el("p", {}, tally(run.findings)) : null,
      runs.length > 1
        ? el("dl", {}, run.about.map(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]))
        : el("dl", { class: "wide" }, run.about.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text)))),
      run.notes.map((text) => el("p", { class: "note" }, text))))));
}

function reference(value, sign) {
  if (value === null || value === undefined) return "";
  return Array.isArray(value) ? `${num(value[0], 4)} to ${num(value[1], 4)}` : `${sign || ""}${num(value, 4)}`;
}

function findingsSection(runs) {
  const with_ = runs.filter((run) => run.findings && run.findings.length);
  if (!with_.length) return null;
  const names = [...new Set(with_.flatMap((run) => run.findings.map((one) => one.name)))];
  const found = with_.map((run) => new Map(run.findings.map((one) => [one.name, one])));
  const rows = names.map((name) => findingRow(name, found.map((one) => one.get(name)), with_));
  const single = with_.length === 1;
  const head = ["finding", ...with_.map((run) => el("th", { class: "n wrap" }, single ? "measured" : run.name)), "95 % interval", "published", "bar", "verdict"];
  return el("section", { "aria-labelledby": "findings" },
    ...heading("findings", "Findings", "Means over members with their 95 % intervals. The line with an arrow is the bar, and points to the side that meets it; grey: a range; ◇ published; △ optimum or bound."),
    single ? null : el("p", { class: "note" }, with_.map((run, i) => [el("span", { style: "display:inline-block;width:2.6rem;margin-right:.4rem" }, sample(look(i))), `${run.name}   `])),
    el("div", { class: "card" }, table(head, rows, (at) => at > 0 && at <= with_.length)));
}

function findingRow(name, found, runs) {
  const any = found.find((one) => one);
  const sign = { lower: "≤ ", higher: "≥ ", near: "" }[any.better];
  const lanes = found.map((one, i) => one && { ...one, look: look(i) }).filter(Boolean);
  const refs = [];
  const add = (value, kind) => {
    if (Array.isArray(value)) refs.push({ low: value[0], high: value[1] });
    else if (value !== null && value !== undefined) refs.push({ value, kind, better: any.better });
  };
  add(any.bar, "bar");
  add(any.published, "diamond");
  add(any.optimum ?? any.bound, "triangle");
  const said = lanes.map((one) => num(one.value, 4)).join(", ");
  const notes = [...new Set(found.filter(Boolean).map((one) => one.note).filter(Boolean))];
  const learned = any.succeeded && runs.length === 1 ? `${any.succeeded[0]} of ${any.succeeded[1]} members learned` : "";
  return [
    el("th", {}, name, [...notes, learned].filter(Boolean).map((text) => el("span", { class: "sub" }, text))),
    ...found.map((one) => el("td", { class: "n" }, one ? num(one.value, 4) : "", one && one.unit ? ` ${one.unit}` : "",
      one && one.low !== null ? el("span", { class: "sub" }, `${num(one.low, 4)} to ${num(one.high, 4)}`) : null)),
    el("td", { class: "range" }, intervals(lanes, refs, `${name}: ${said}`)),
    reference(any.published),
    reference(any.bar, sign),
    el("td", {}, found.map((one) => (one && one.verdict ? el("div", {}, verdict(one.verdict)) : null))),
  ];
}

function figuresSection(runs) {
  const with_ = runs.filter((run) => run.figures.length);
  if (!with_.length) return null;
  return el("section", { "aria-labelledby": "figures" }, ...heading("figures", "Figures", "As the evaluation or the fit drew them."),
    with_.map((run) => el("div", { class: "card", style: "margin-bottom:1rem" }, with_.length > 1 ? el("h3", {}, run.name) : null,
      el("div", { class: "figures" }, run.figures.map((one) => el("figure", {},
        el("img", { src: one.src, alt: one.name, loading: "lazy" }), el("figcaption", {}, one.name)))))));
}

function settingsSection(runs) {
  const columns = runs.filter((run) => run.settings).flatMap((run) =>
    Object.entries(run.settings).map(([condition, values]) => ({ name: seriesName(run, condition, runs), values })));
  if (!columns.length) return null;
  const keys = [...new Set(columns.flatMap((one) => Object.keys(one.values)))];
  const differs = (key) => new Set(columns.map((one) => one.values[key])).size > 1;
  const rows = (list) => {
    const made = table(["setting", ...columns.map((one) => el("th", { class: "wrap" }, one.name))],
      list.map((key) => [key, ...columns.map((one) => one.values[key] ?? "–")]));
    made.querySelectorAll("tbody tr").forEach((row, i) => {
      if (columns.length > 1 && differs(list[i])) row.className = "differs";
    });
    return made;
  };
  const different = columns.length > 1 ? keys.filter(differs) : [];
  return el("section", { "aria-labelledby": "settings" },
    ...heading("settings", "Settings", columns.length > 1 ? "First what differs (≠); all settings below." : "All settings of the run."),
    el("div", { class: "card" }, different.length ? rows(different) : null,
      el("details", { open: columns.length === 1 }, el("summary", {}, `All ${keys.length} settings`), rows(keys))));
}

function seriesName(run, condition, runs) {
  if (condition === "default") return run.name;
  return runs.length > 1 ? `${run.name}, ${condition}` : condition;
}
