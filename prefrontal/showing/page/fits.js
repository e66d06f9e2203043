"use strict";
// Fits of models to choices: the table of models, parameters, predictive checks, held-out choices.

function fitsSection(runs) {
  const fits = runs.filter((run) => run.kind === "fit");
  if (!fits.length) return null;
  return el("section", { "aria-labelledby": "models" }, ...heading("models", "Models", "Log likelihoods in nats, summed over subjects; pxp: protected exceedance probability."),
    el("div", { class: "pair" }, fits.map((run) => el("article", { class: "card" },
      fits.length > 1 ? el("h3", {}, run.name) : null,
      table(run.models[0], run.models.slice(1), (at) => at > 0),
      run.held_out.length ? [el("h3", { style: "margin-top:1.2rem" }, "Held-out choices"), el("p", { class: "note" }, run.left_out), table(run.held_out[0], run.held_out.slice(1), (at) => at > 0)] : null,
      Object.keys(run.predictive).length ? predictive(run.predictive) : null))),
    ...heading("parameters", "Parameters", "A mark a subject with its standard error; the dashed line is the population's."),
    el("div", { class: "pair" }, fits.map((run) => parameters(run, fits.length > 1))));
}

function predictive(stay) {
  const conditions = Object.keys(stay.subjects);
  const cell = (one) => (!one || one.mean === null ? "–" : `${num(one.mean, 3)}${one.low === undefined ? "" : ` (${num(one.low, 3)} to ${num(one.high, 3)})`}`);
  const names = Object.keys(stay);
  const rows = names.map((name, i) => {
    const lanes = conditions.map((condition) => ({ ...stay[name][condition] })).filter((one) => one.mean !== null)
      .map((one, k) => ({ value: one.mean, low: one.low, high: one.high, look: look(k) }));
    return [name, ...conditions.map((condition) => cell(stay[name][condition])), el("td", { class: "range" }, intervals(lanes, i ? conditions.map((c, k) => ({ value: stay.subjects[c].mean, kind: "ring" })).filter((one) => one.value !== null) : [], `${name}: probability of repeating a choice`))];
  });
  return [el("h3", { style: "margin-top:1.2rem" }, "Predictive check: probability of repeating the last choice"),
    table(["", ...conditions.map((one) => `after ${one}`), "rings: subjects"], rows, (at) => at > 0 && at <= conditions.length)];
}

function parameters(run, named) {
  const names = Object.keys(run.parameters);
  const place = el("div", {});
  const draw = (model) => {
    const known = run.parameters[model];
    place.replaceChildren(...(known.length ? known.map((one) => strip(one, run.subjects)) : [el("p", { class: "note" }, "This model has no parameters with a name.")]),
      el("details", {}, el("summary", {}, "Numbers"), known.length ? table(["subject", ...known.map((one) => one.name)],
        run.subjects.map((subject, s) => [subject, ...known.map((one) => num(one.values[s]) + (Number.isFinite(one.errors[s]) ? ` ± ${num(one.errors[s], 3)}` : ""))]), (at) => at > 0) : null));
  };
  draw(names[0]);
  return el("article", { class: "card" }, named ? el("h3", {}, run.name) : null,
    el("div", { class: "controls" }, choice("model", names.map((one) => [one, one]), names[0], draw)), place);
}

function strip(one, subjects) {
  const width = 640;
  const height = 74;
  const known = one.values.map((value, s) => ({ value, error: Number.isFinite(one.errors[s]) ? one.errors[s] : 0, name: subjects[s] })).filter((each) => Number.isFinite(each.value)).sort((a, b) => a.value - b.value);
  const [low, high] = extent(known.flatMap((each) => [each.value - each.error, each.value + each.error]), 0.06);
  const x = scale(low, high, 12, width - 12);
  const node = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${one.name}: ${known.map((each) => `${each.name} ${num(each.value, 3)}`).join(", ")}` });
  ticks(low, high, 6).forEach((value) => node.append(
    svg("line", { class: "gridline", x1: x(value), x2: x(value), y1: 6, y2: height - 18 }),
    svg("text", { x: x(value), y: height - 4, "text-anchor": "middle" }, brief(value))));
  if (Number.isFinite(one.population)) node.append(svg("line", { class: "cursor", "stroke-dasharray": "5 4", x1: x(one.population), x2: x(one.population), y1: 4, y2: height - 18 }));
  known.forEach((each, i) => {
    const y = 10 + ((height - 34) * (i + 0.5)) / known.length;
    node.append(svg("line", { x1: x(each.value - each.error), x2: x(each.value + each.error), y1: y, y2: y, stroke: "var(--c0)", "stroke-width": 1.2, opacity: 0.6 }),
      mark("circle", x(each.value), y, 3.6, { fill: "var(--c0)" }, ).appendChild(svg("title", {}, `${each.name}: ${num(each.value)}`)).parentNode);
  });
  return el("div", { style: "margin-bottom:.8rem" }, el("h4", {}, one.name.replaceAll("_", " ")), node);
}
