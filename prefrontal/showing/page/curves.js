"use strict";
// Learning curves of all runs in one chart: hover or step through them, choose members, smooth.

function smoothed(values, reach) {
  return Float64Array.from(values, (_, i) => {
    const by = Math.min(reach, i, values.length - 1 - i); // shrinks towards both ends
    let sum = 0;
    let count = 0;
    for (let j = i - by; j <= i + by; j++) {
      if (Number.isFinite(values[j])) {
        sum += values[j];
        count += 1;
      }
    }
    return count ? sum / count : NaN;
  });
}

function column(array, member) {
  const [points, members] = array.shape;
  return Float64Array.from({ length: points }, (_, i) => array.values[i * members + member]);
}

function across(columns, of) {
  return Float64Array.from(columns[0], (_, i) => {
    const values = columns.map((one) => one[i]).filter(Number.isFinite);
    return values.length ? of(values) : NaN;
  });
}

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

function curvesSection(runs) {
  const lines = runs.filter((run) => run.curves).flatMap((run) => Object.entries(run.curves).map(([condition, one]) =>
    ({ name: seriesName(run, condition, runs), levels: run.levels[condition] || {}, ...one })));
  if (!lines.length) return null;
  lines.forEach((one, i) => { one.look = look(i); one.on = true; });
  const names = [...new Set(lines.flatMap((one) => Object.keys(one.metrics)))].sort();
  const most = Math.max(...lines.map((one) => Object.values(one.metrics)[0].shape[1]));
  const state = { metric: names.includes("return") ? "return" : names[0], member: "mean", reach: 2, at: null };
  const place = el("div", {});
  const readout = el("div", { class: "readout", "aria-live": "polite", id: "curve-readout" });
  const told = el("output", { for: "smoothing" }, "");
  let now = null;

  function shown() {
    return lines.filter((one) => one.on && one.metrics[state.metric]).map((one) => {
      const values = decode(one.metrics[state.metric]);
      const xs = decode(one.steps).values;
      const count = values.shape[1];
      const which = state.member === "mean" || state.member === "all" ? [...Array(count).keys()] : [Number(state.member)].filter((m) => m < count);
      return { line: one, xs, columns: which.map((m) => smoothed(column(values, m), state.reach)) };
    }).filter((one) => one.columns.length);
  }

  function draw() {
    const found = shown();
    const series = found.flatMap((one) => {
      const style = one.line.look;
      const centre = across(one.columns, mean);
      one.centre = centre;
      one.low = across(one.columns, (v) => Math.min(...v));
      one.high = across(one.columns, (v) => Math.max(...v));
      if (state.member === "all") return [...one.columns.map((ys) => ({ xs: one.xs, ys, look: style, width: 1, faint: true })), { xs: one.xs, ys: centre, look: style, marks: 9 }];
      return [{ xs: one.xs, ys: centre, look: style, marks: 9, band: one.columns.length > 1 ? { low: one.low, high: one.high } : null }];
    });
    const refs = state.metric === "return" ? levels(found) : [];
    if (!series.length) {
      place.replaceChildren(el("p", { class: "note" }, "Nothing is chosen."));
      return;
    }
    const made = chart({ series, refs, width: 960, height: 340, xlabel: "environment steps of a member", ylabel: state.metric.replaceAll("_", " "), label: `Learning curves: ${state.metric} of ${found.map((one) => one.line.name).join(", ")}. Left and right arrow keys read them.` });
    made.node.id = "curves-chart";
    made.node.setAttribute("tabindex", "0");
    made.node.addEventListener("pointermove", (event) => point(made.at(event)));
    made.node.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.01, ArrowRight: 0.01, PageUp: -0.1, PageDown: 0.1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const from = state.at === null ? made.xr[1] : state.at;
      point(from + step * (made.xr[1] - made.xr[0]));
    });
    now = { made, found };
    place.replaceChildren(made.node);
    point(state.at === null ? made.xr[1] : state.at);
  }

  function levels(found) {
    const every = new Map();
    found.forEach((one) => Object.entries(one.line.levels).forEach(([name, value]) => every.set(`${name} ${value.toPrecision(6)}`, { name, value })));
    return [...every.values()].slice(0, 6);
  }

  function point(value) {
    const { made, found } = now;
    state.at = Math.min(made.xr[1], Math.max(made.xr[0], value));
    const points = found.map((one) => {
      let best = 0;
      one.xs.forEach((x, i) => { if (Math.abs(x - state.at) < Math.abs(one.xs[best] - state.at)) best = i; });
      return { x: one.xs[best], y: one.centre[best], low: one.low[best], high: one.high[best], look: one.line.look, name: one.line.name, many: one.columns.length > 1 };
    });
    made.move(state.at, points);
    readout.replaceChildren(el("strong", {}, `step ${num(Math.round(points[0].x), 9)}`), ...points.map((one) =>
      el("span", {}, `${one.name}: ${num(one.y)}`, one.many ? ` (members ${num(one.low, 4)} to ${num(one.high, 4)})` : "")));
  }

  const slide = (event) => {
    state.reach = Number(event.target.value);
    told.textContent = state.reach ? `${2 * state.reach + 1} points` : "none";
    draw();
  };
  told.textContent = `${2 * state.reach + 1} points`;
  const controls = el("div", { class: "controls" },
    choice("curve", names.map((one) => [one, one.replaceAll("_", " ")]), state.metric, (value) => { state.metric = value; draw(); }),
    choice("members", [["mean", "mean and range"], ["all", "every member"], ...[...Array(most).keys()].map((m) => [m, `member ${m}`])], "mean", (value) => { state.member = value; draw(); }),
    el("label", {}, el("span", {}, "smoothing: ", told), el("input", { type: "range", id: "smoothing", min: 0, max: 25, value: state.reach, oninput: slide })));
  const boxes = el("fieldset", {}, el("legend", {}, "shown"), lines.map((one) => el("label", {},
    el("input", { type: "checkbox", checked: true, onchange: (event) => { one.on = event.target.checked; draw(); } }), sample(one.look), one.name)));
  draw();
  return el("section", { "aria-labelledby": "curves" },
    ...heading("curves", "Learning curves", "Line: mean over members; band: from the lowest to the highest member. Move over the chart, or focus it and press ← →."),
    el("div", { class: "card" }, controls, boxes, place, readout));
}
