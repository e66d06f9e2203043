"use strict";
// An episode step by step: what was seen, chosen and paid, policy, value, prediction error, the
// state's path, the way through space. All numbers are the recorded ones.

const RECENT = 12; // steps of a path that are drawn strongly

function playersSection(runs) {
  const with_ = runs.filter((run) => run.players.length);
  if (!with_.length) return null;
  return el("section", { "aria-labelledby": "player" },
    ...heading("player", "Step by step", "Episodes as they were recorded. Buttons, slider or keys: ← → one step, Page ↑ ↓ ten, Home and End, space plays."),
    el("div", { class: "pair" }, with_.map((run, i) => player(run, i, with_.length > 1))));
}

function player(run, number, named) {
  const state = { player: run.players[0], m: 0, e: 0, t: 0, axes: "0,1", around: 0, timer: null };
  const id = (name) => `player${number}-${name}`;
  const body = el("div", {});
  const slider = el("input", { type: "range", min: 0, max: 0, value: 0, id: id("step"), "aria-label": "step", oninput: (event) => go(Number(event.target.value)) });
  const told = el("output", { id: id("told"), for: id("step"), "aria-live": "polite" });
  const pick = el("div", { class: "controls" });
  const playButton = el("button", { type: "button", class: "main", id: id("play"), onclick: toggle }, "▶ play");
  const button = (text, name, move) => el("button", { type: "button", id: id(name), "aria-label": name, title: name, onclick: move }, text);
  const keys = el("div", { class: "controls" },
    el("div", { class: "buttons" },
      button("|◀", "first step", () => go(0)), button("◀", "previous step", () => go(state.t - 1)), playButton,
      button("▶", "next step", () => go(state.t + 1)), button("▶|", "last step", () => go(Infinity))),
    el("label", { class: "steps" }, told, slider));
  let view = null;

  function length() { return state.player.lengths[state.m][state.e]; }

  function rebuild() {
    stop();
    const one = state.player;
    state.m = Math.min(state.m, one.members.length - 1);
    state.e = Math.min(state.e, one.episodes.length - 1);
    const set = (name) => (value) => { state[name] = Number(value); state.t = 0; rebuild(); };
    pick.replaceChildren(...[
      run.players.length > 1 ? choice(run.kind === "fit" ? "model" : "condition", run.players.map((each, i) => [i, each.name]), run.players.indexOf(one), (value) => { state.player = run.players[value]; state.t = 0; rebuild(); }) : null,
      choice(one.who, one.members.map((name, i) => [i, name]), state.m, set("m")),
      one.episodes.length > 1 ? choice(one.what, one.episodes.map((name, i) => [i, name]), state.e, set("e")) : null,
    ].filter(Boolean));
    slider.max = String(length() - 1);
    view = panels(one, state, id);
    body.replaceChildren(view.node, el("p", { class: "note" }, one.tasks[state.m][state.e]), el("p", { class: "note" }, one.source));
    go(Math.min(state.t, length() - 1));
  }

  function go(t) {
    state.t = Math.max(0, Math.min(length() - 1, t));
    slider.value = String(state.t);
    slider.setAttribute("aria-valuetext", `step ${state.t + 1} of ${length()}`);
    told.textContent = `Step ${state.t + 1} of ${length()}`;
    view.show(state.t);
    if (state.t === length() - 1) stop();
  }

  function stop() {
    clearInterval(state.timer);
    state.timer = null;
    playButton.textContent = "▶ play";
  }

  function toggle() {
    if (state.timer) return stop();
    if (state.t === length() - 1) go(0);
    playButton.textContent = "pause";
    state.timer = setInterval(() => go(state.t + 1), 300);
    return null;
  }

  const node = el("article", { class: "card player", tabindex: "0", id: id("card"), role: "group", "aria-label": `Player of ${run.name}: arrow keys step, space plays` },
    named ? el("h3", {}, run.name) : null, pick, keys, body);
  node.addEventListener("keydown", (event) => {
    if (event.target.closest("select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowLeft: state.t - 1, ArrowRight: state.t + 1, PageUp: state.t - 10, PageDown: state.t + 10, Home: 0, End: Infinity };
    if (event.key in moves) go(moves[event.key]);
    else if (event.key === " " && !event.target.closest("button, a, summary")) toggle();
    else return;
    event.preventDefault();
  });
  rebuild();
  return node;
}

// The panels of one episode; `show` moves all of them to a step.
function panels(one, state, id) {
  const { m, e } = state;
  const count = one.lengths[m][e];
  const get = (name) => decode(one.arrays[name]);
  const xs = Float64Array.from({ length: count }, (_, t) => t + 1);
  const width = (name) => { const array = get(name); return array ? array.shape.slice(3).reduce((a, b) => a * b, 1) : 0; };
  const part = (name, k) => Float64Array.from({ length: count }, (_, t) => get(name).row(m, e, t)[k]);
  const charts = [];
  const trace = (label, name, options = {}) => {
    const many = Math.min(width(name), 8);
    if (!many) return null;
    const series = [...Array(many).keys()].map((k) => ({ xs, ys: part(name, k), look: look(k), width: 1.7, marks: many > 1 ? 6 : 0, ...options.series }));
    const place = el("div", {});
    const yrange = options.yrange || extent(series.flatMap((one) => [...one.ys, ...(one.kind === "stem" ? [0] : [])]), 0.06);
    charts.push({ place, series, yrange, label });
    return el("div", { class: "trace" }, el("h4", {}, label, many > 1 ? el("span", {}, series.map((s, k) => [" ", el("span", { style: "display:inline-block;width:2.2rem;vertical-align:middle" }, sample(s.look)), ` ${k}`])) : null), place);
  };
  // The charts of all steps, or of those around the present one; drawn anew only where they change.
  let drawn_ = "";
  const draw = (t) => {
    const from = state.around ? Math.max(0, Math.min(t - state.around, count - 1 - 2 * state.around)) : 0;
    const until = state.around ? Math.min(count, from + 2 * state.around + 1) : count;
    if (drawn_ === `${from} ${until}`) return;
    drawn_ = `${from} ${until}`;
    charts.forEach((one) => {
      const series = one.series.map((s) => ({ ...s, xs: s.xs.subarray(from, until), ys: s.ys.subarray(from, until) }));
      one.made = chart({ series, width: 560, height: 112, xrange: [from + 1, Math.max(from + 2, until)], yrange: one.yrange, label: `${one.label} by step` });
      one.place.replaceChildren(one.made.node);
    });
  };
  const continuous = get("action").values instanceof Float32Array || get("action").values instanceof Float64Array;
  const zoom = choice("steps shown", [[0, "all"], [25, "51 around the present one"], [8, "17 around it"]], state.around, (value) => { state.around = Number(value); draw(state.t); move(state.t); });
  const traces = el("div", { class: "wide" },
    count > 60 ? el("div", { class: "controls" }, zoom) : null,
    trace("reward paid", "reward", { series: { kind: "stem" } }),
    width("policy") && !continuous ? trace("policy: probability of each action", "policy", { yrange: [-0.03, 1.03] }) : null,
    continuous ? trace("action", "action") : null,
    width("probability") ? trace("probability of what was chosen", "probability", { yrange: [0, 1.03] }) : null,
    trace("value", "value"),
    width("values") ? trace("value of each option", "values") : null,
    trace("reward prediction error", "rpe", { series: { kind: "stem" } }));
  const now = nowPanel(one, m, e, get, width, id, continuous);
  const space = spacePanel(one, m, e, count, get, id);
  const states = statesPanel(one, state, count, get, id);
  const paths = space || states ? el("div", {}, space ? space.node : null, states ? states.node : null) : null;
  const node = el("div", { class: paths ? "panels" : "panels two" }, now.node, paths, traces);
  const move = (t) => charts.forEach(({ made, series }) => made.move(t + 1, series.map((s) => ({ x: t + 1, y: s.ys[t], look: s.look }))));
  return {
    node,
    show: (t) => {
      draw(t);
      move(t);
      now.show(t);
      if (space) space.show(t);
      if (states) states.show(t);
    },
  };
}

function nowPanel(one, m, e, get, width, id, continuous) {
  const cells = {};
  const cell = (name, label) => {
    cells[name] = el("strong", { id: id(name) });
    return el("div", {}, el("span", {}, label), cells[name]);
  };
  const has = (name) => width(name) > 0;
  const head = el("div", { class: "now" }, cell("action", "chosen"), cell("reward", "paid"),
    has("value") ? cell("value", "value") : null, has("rpe") ? cell("rpe", "prediction error") : null,
    has("probability") ? cell("probability", "probability") : null);
  const names = (count, word) => [...Array(count).keys()].map((k) => `${word} ${k}`);
  const policy = has("policy") ? bars(names(width("policy"), continuous ? "number" : "action"), id("policy")) : null;
  const values = has("values") ? bars(names(width("values"), "option"), id("values")) : null;
  const seen = has("observation") ? bars(one.seen, id("seen")) : null;
  const canvas = get("pixels") ? el("canvas", { role: "img", "aria-label": "what the core is given, as shades" }) : null;
  const facts = el("ul", { class: "facts" });
  const title = (text) => el("h4", {}, text);
  const node = el("div", {}, head,
    policy ? [title(continuous ? "policy: mean and deviation of each number" : "policy"), policy.node] : null,
    values ? [title("value of each option"), values.node] : null,
    seen ? [title("seen (the observation before the choice)"), seen.node] : null,
    canvas ? [title("what the core is given, as shades"), canvas] : null,
    one.facts.length ? [title("what else was recorded"), facts] : null);
  const text = (name, t) => Array.from(get(name).row(m, e, t), (value) => num(value)).join(", ");
  return {
    node,
    show: (t) => {
      Object.keys(cells).forEach((name) => { cells[name].textContent = text(name, t); });
      const chosen = continuous ? -1 : get("action").row(m, e, t)[0];
      if (policy) policy.show(get("policy").row(m, e, t), chosen, continuous ? null : 1);
      if (values) values.show(get("values").row(m, e, t), chosen);
      if (seen) seen.show(get("observation").row(m, e, t), -1);
      if (canvas) shades(canvas, get("pixels").row(m, e, t));
      facts.replaceChildren(...one.facts.map((name) => el("li", {}, el("span", {}, name.replaceAll("_", " ")), el("b", { "data-fact": name }, text(name, t)))));
    },
  };
}

function bars(labels, id) {
  const rows = labels.map((label, k) => {
    const name = el("span", {}, label);
    const bar = el("i", {});
    const value = el("span", { class: "v", id: `${id}-${k}` });
    return { name, bar, value, nodes: [name, el("span", { class: "track" }, bar), value] };
  });
  return {
    node: el("div", labels.length > 16 ? { class: "bars many", tabindex: "0", role: "group", "aria-label": "numbers of the observation" } : { class: "bars" }, rows.flatMap((row) => row.nodes)),
    show: (values, chosen, top) => {
      const low = Math.min(0, ...values);
      const high = top || Math.max(1e-9, ...values);
      const x = scale(low, high, 0, 100);
      rows.forEach((row, k) => {
        const value = values[k];
        row.value.textContent = num(value);
        row.bar.style.left = `${Math.min(x(0), x(value))}%`;
        row.bar.style.width = `${Math.abs(x(value) - x(0))}%`;
        row.name.className = k === chosen ? "chosen" : "";
      });
    },
  };
}

function shades(canvas, values) {
  const side = Math.ceil(Math.sqrt(values.length));
  canvas.width = side;
  canvas.height = Math.ceil(values.length / side);
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  values.forEach((value, i) => picture.data.set([value, value, value, 255], 4 * i));
  context.putImageData(picture, 0, 0);
}

// --- paths ---

// A path in two dimensions: all of it faint, the last steps strong, a mark for the action taken.
function pathPlot(points, shapes, options) {
  const size = 300;
  const [x0, x1] = options.xrange;
  const [y0, y1] = options.yrange;
  const x = scale(x0, x1, 22, size - 8);
  const y = scale(y0, y1, size - 22, 8);
  const node = svg("svg", { class: "path", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": options.label });
  node.append(...(options.back ? options.back(x, y) : []));
  node.append(
    svg("text", { x: size / 2, y: size - 4, "text-anchor": "middle" }, options.xlabel || ""),
    svg("text", { transform: `translate(12 ${size / 2}) rotate(-90)`, "text-anchor": "middle" }, options.ylabel || ""));
  const whole = svg("path", { fill: "none", stroke: "var(--soft)", "stroke-width": 0.8, opacity: 0.35 });
  const strong = svg("path", { fill: "none", stroke: "var(--c0)", "stroke-width": 2.2, "stroke-linejoin": "round" });
  const marks = svg("g", {});
  node.append(whole, strong, marks);
  const d = (from, to) => path(points.xs.subarray(from, to), points.ys.subarray(from, to), x, y);
  return {
    node,
    show: (t, from, until) => {
      whole.setAttribute("d", d(from, until));
      const start = Math.max(from, t + 1 - (options.recent || RECENT));
      strong.setAttribute("d", d(start, t + 1));
      const style = { fill: "var(--c1)", stroke: "var(--card)", "stroke-width": 1.5 };
      marks.replaceChildren(
        mark("ring", x(points.xs[from]), y(points.ys[from]), 5, { stroke: "var(--ink)", "stroke-width": 1.3 }),
        ...(options.extra ? options.extra(t, x, y) : []),
        mark(shapes(t), x(points.xs[t]), y(points.ys[t]), 6.5, style));
    },
  };
}

function statesPanel(one, state, count, get, id) {
  if (!one.arrays.pc) return null;
  const { m, e } = state;
  const share = one.shares[m];
  const pc = (k) => Float64Array.from({ length: count }, (_, t) => get("pc").row(m, e, t)[k]);
  const place = el("div", {});
  const caption = el("p", { class: "note", id: id("pc") });
  const discrete = get("action").shape.length === 3 && !(get("action").values instanceof Float32Array);
  const shape = (t) => (discrete ? MARKS[get("action").row(m, e, t)[0] % 6] : "circle");
  let plot = null;
  let last = 0;
  function build() {
    const [a, b] = state.axes.split(",").map(Number);
    const [xs, ys] = [pc(a), pc(b)];
    const name = (k) => `PC ${k + 1} (${num(100 * share[k], 3)} % of the variance)`;
    plot = pathPlot({ xs, ys }, shape, { xrange: extent(xs, 0.05), yrange: extent(ys, 0.05), xlabel: name(a), ylabel: name(b), label: "path of the hidden state in principal components" });
    place.replaceChildren(plot.node);
    show(last);
  }
  function show(t) {
    last = t;
    plot.show(t, 0, count);
    caption.textContent = `now at ${Array.from(get("pc").row(m, e, t), (value) => num(value, 4)).join(", ")}; ring: start; the mark's shape is the action (0 ●, 1 ■, 2 ▲, 3 ◆)`;
  }
  const pick = choice("axes", [["0,1", "1 and 2"], ["0,2", "1 and 3"], ["1,2", "2 and 3"]], state.axes, (value) => { state.axes = value; build(); });
  build();
  return { node: el("div", {}, el("h4", {}, "hidden state in principal components of this member"), el("div", { class: "controls" }, pick), place, caption), show };
}

function spacePanel(one, m, e, count, get, id) {
  if (!one.map) return null;
  const trial = get("trial");
  const span = (t) => {
    if (!trial) return [0, count];
    const here = trial.row(m, e, t)[0];
    let [from, until] = [t, t + 1];
    while (from > 0 && trial.row(m, e, from - 1)[0] === here) from -= 1;
    while (until < count && trial.row(m, e, until)[0] === here) until += 1;
    return [from, until];
  };
  const made = one.map.kind === "maze" ? mazePlot(one, m, e, count, get) : planePlot(one, m, e, count, get);
  const caption = el("p", { class: "note", id: id("place") });
  return {
    node: el("div", {}, el("h4", {}, "way through space"), made.plot.node, caption),
    show: (t) => {
      made.plot.show(t, ...span(t));
      caption.textContent = made.said(t);
    },
  };
}

function planePlot(one, m, e, count, get) {
  const series = (name) => Float64Array.from({ length: count }, (_, t) => get(name).row(m, e, t)[0]);
  const points = { xs: series("x"), ys: series("y") };
  const target = { xs: series("target_x"), ys: series("target_y") };
  const reach = one.map.zone || 0;
  const [x0, x1] = extent([...points.xs, ...target.xs.map((v) => v - reach), ...target.xs.map((v) => v + reach)], 0.04);
  const [y0, y1] = extent([...points.ys, ...target.ys.map((v) => v - reach), ...target.ys.map((v) => v + reach)], 0.04);
  const half = Math.max(x1 - x0, y1 - y0) / 2;
  const around = (low, high) => [(low + high) / 2 - half, (low + high) / 2 + half];
  const plot = pathPlot(points, () => "circle", {
    xrange: around(x0, x1), yrange: around(y0, y1), recent: Infinity, xlabel: "x", ylabel: "y", label: "path seen from above",
    extra: (t, x, y) => [
      svg("circle", { cx: x(target.xs[t]), cy: y(target.ys[t]), r: Math.abs(x(reach) - x(0)), fill: "var(--c2)", opacity: 0.16 }),
      mark("plus", x(target.xs[t]), y(target.ys[t]), 5, { stroke: "var(--c2)" }),
    ],
  });
  return { plot, said: (t) => `at ${num(points.xs[t])}, ${num(points.ys[t])}; target (plus) at ${num(target.xs[t])}, ${num(target.ys[t])}; shaded: where a stop is paid` };
}

function mazePlot(one, m, e, count, get) {
  const { rows, cells, start, goals } = one.map;
  const cell = (t) => get("cell").row(m, e, t)[0];
  const points = { xs: Float64Array.from({ length: count }, (_, t) => cells[cell(t)][1]), ys: Float64Array.from({ length: count }, (_, t) => -cells[cell(t)][0]) };
  const [tall, wide] = [rows.length, rows[0].length];
  const side = Math.max(tall, wide);
  const goal = cells[goals[m][e]];
  const back = (x, y) => {
    const box = Math.abs(x(1) - x(0));
    return rows.flatMap((row, r) => [...row].map((text, c) => svg("rect", {
      x: x(c) - box / 2, y: y(-r) - box / 2, width: box, height: box, stroke: "var(--line)", fill: text === "#" ? "var(--soft)" : "var(--faint)",
    }))).concat([
      svg("text", { class: "strong", x: x(cells[start][1]), y: y(-cells[start][0]) + 4, "text-anchor": "middle" }, "start"),
      svg("text", { class: "strong", x: x(goal[1]), y: y(-goal[0]) + 4, "text-anchor": "middle" }, "★ goal"),
    ]);
  };
  const plot = pathPlot(points, () => "circle", { xrange: [-0.7, side - 0.3], yrange: [-side + 0.3, 0.7], recent: Infinity, back, label: "path through the maze" });
  return { plot, said: (t) => `in row ${cells[cell(t)][0] + 1}, column ${cells[cell(t)][1] + 1}; goal in row ${goal[0] + 1}, column ${goal[1] + 1}` };
}
