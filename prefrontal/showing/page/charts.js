"use strict";
// Charts in SVG: lines with a cursor, and numbers with their intervals.

function scale(from, to, low, high) {
  const span = to - from || 1;
  return (value) => low + ((value - from) / span) * (high - low);
}

function ticks(low, high, count) {
  const raw = (high - low) / Math.max(count, 1) || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw) || raw;
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) {
    found.push(Math.abs(value) < step * 1e-9 ? 0 : value);
  }
  return found;
}

function brief(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(4))}M`.replace("-", "−");
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(4))}k`.replace("-", "−");
  return num(value, 4);
}

function extent(values, pad) {
  let low = Infinity;
  let high = -Infinity;
  for (const one of values) {
    if (Number.isFinite(one)) {
      if (one < low) low = one;
      if (one > high) high = one;
    }
  }
  if (low > high) [low, high] = [0, 1];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const edge = (high - low) * (pad || 0);
  return [low - edge, high + edge];
}

function path(xs, ys, x, y) {
  let d = "";
  let pen = false;
  for (let i = 0; i < ys.length; i++) {
    if (Number.isFinite(ys[i])) {
      d += `${pen ? "L" : "M"}${x(xs[i]).toFixed(1)},${y(ys[i]).toFixed(1)}`;
      pen = true;
    } else pen = false;
  }
  return d;
}

// A chart of series {xs, ys, look, kind: line | stem, width, faint, band: {low, high}, marks}.
// Returns its node and what moves the cursor to a place on the horizontal axis.
function chart(options) {
  const { series, width = 640, height = 260, xlabel = "", ylabel = "", refs = [], label = "" } = options;
  const box = { left: 52, right: 12, top: 10, bottom: xlabel ? 36 : 18 };
  const all = (pick) => series.flatMap((one) => Array.from(pick(one)));
  const xr = options.xrange || extent(all((one) => one.xs));
  const ys = [...all((one) => one.ys), ...series.flatMap((one) => (one.band ? [...one.band.low, ...one.band.high] : [])), ...refs.map((one) => one.value)];
  if (series.some((one) => one.kind === "stem")) ys.push(0);
  const yr = options.yrange || extent(ys, 0.06);
  const x = scale(xr[0], xr[1], box.left, width - box.right);
  const y = scale(yr[0], yr[1], height - box.bottom, box.top);
  const node = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (const value of ticks(yr[0], yr[1], height > 150 ? 5 : 2)) {
    node.append(
      svg("line", { class: "gridline", x1: box.left, x2: width - box.right, y1: y(value), y2: y(value) }),
      svg("text", { x: box.left - 6, y: y(value) + 4, "text-anchor": "end" }, brief(value)));
  }
  for (const value of ticks(xr[0], xr[1], Math.max(3, width / 110))) {
    node.append(svg("text", { x: x(value), y: height - box.bottom + 14, "text-anchor": "middle" }, brief(value)));
  }
  node.append(svg("line", { class: "axis", x1: box.left, x2: width - box.right, y1: height - box.bottom, y2: height - box.bottom }));
  if (xlabel) node.append(svg("text", { x: (box.left + width - box.right) / 2, y: height - 4, "text-anchor": "middle" }, xlabel));
  if (ylabel) node.append(svg("text", { transform: `translate(11 ${(box.top + height - box.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, ylabel));
  refs.forEach((one) => node.append(
    svg("line", { class: "ref", x1: box.left, x2: width - box.right, y1: y(one.value), y2: y(one.value) }),
    svg("text", { x: width - box.right, y: y(one.value) - 4, "text-anchor": "end" }, one.name)));
  series.forEach((one) => node.append(...drawn(one, x, y)));
  const cursor = svg("line", { class: "cursor", y1: box.top, y2: height - box.bottom, x1: -9, x2: -9 });
  const dots = svg("g", {});
  node.append(cursor, dots);
  return {
    node, x, y, xr,
    at: (event) => {
      const place = node.getBoundingClientRect();
      const px = ((event.clientX - place.left) / place.width) * width;
      return xr[0] + ((px - box.left) / (width - box.left - box.right)) * (xr[1] - xr[0]);
    },
    move: (value, points = []) => {
      const px = x(value);
      cursor.setAttribute("x1", px);
      cursor.setAttribute("x2", px);
      dots.replaceChildren(...points.filter((one) => Number.isFinite(one.y)).map((one) =>
        mark(one.look.mark, x(one.x), y(one.y), 4.5, { fill: one.look.colour, stroke: "var(--card)", "stroke-width": 1.2 })));
    },
  };
}

function drawn(one, x, y) {
  const nodes = [];
  const { xs, ys } = one;
  const style = { stroke: one.look.colour, "stroke-dasharray": one.look.dash, "stroke-width": one.width || 2, fill: "none", "stroke-linejoin": "round", opacity: one.faint ? 0.4 : 1 };
  if (one.band) {
    const up = path(xs, one.band.high, x, y);
    const back = path(Array.from(xs).reverse(), Array.from(one.band.low).reverse(), x, y).replace("M", "L");
    nodes.push(svg("path", { d: `${up}${back}Z`, fill: one.look.colour, opacity: 0.14, stroke: "none" }));
  }
  if (one.kind === "stem") {
    let d = "";
    for (let i = 0; i < ys.length; i++) {
      if (Number.isFinite(ys[i]) && ys[i] !== 0) d += `M${x(xs[i]).toFixed(1)},${y(0).toFixed(1)}V${y(ys[i]).toFixed(1)}`;
    }
    nodes.push(svg("line", { class: "axis", x1: x(xs[0]), x2: x(xs[xs.length - 1]), y1: y(0), y2: y(0) }));
    nodes.push(svg("path", { ...style, d, "stroke-dasharray": "" }));
  } else nodes.push(svg("path", { ...style, d: path(xs, ys, x, y) }));
  const every = one.marks ? Math.max(1, Math.floor(ys.length / one.marks)) : 0;
  for (let i = Math.floor(every / 2); every && i < ys.length; i += every) {
    if (Number.isFinite(ys[i])) nodes.push(mark(one.look.mark, x(xs[i]), y(ys[i]), 3.4, { fill: one.look.colour, stroke: one.look.colour }));
  }
  return nodes;
}

// Numbers with intervals in lanes over one axis; `refs` are marks of other kinds.
function intervals(lanes, refs, label) {
  const width = 230;
  const height = 12 + 13 * lanes.length;
  const values = [...lanes.flatMap((one) => [one.value, one.low, one.high]), ...refs.flatMap((one) => [one.value, one.low, one.high])];
  const [low, high] = extent(values.filter((one) => one !== null && one !== undefined), 0.08);
  const x = scale(low, high, 6, width - 6);
  const node = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  node.append(svg("line", { class: "axis", x1: 0, x2: width, y1: height - 3, y2: height - 3 }));
  for (const one of refs) {
    if (one.low !== undefined) node.append(svg("rect", { x: x(one.low), y: 1, width: Math.max(2, x(one.high) - x(one.low)), height: height - 4, fill: "var(--soft)", opacity: 0.16 }));
    else if (one.kind === "bar") {
      const dx = one.better === "lower" ? -5 : 5;
      node.append(svg("path", { d: `M${x(one.value)},1V${height - 3}M${x(one.value)},2h${dx}m${-dx / 2},-2l${dx / 2},2l${-dx / 2},2`, stroke: "var(--ink)", "stroke-width": 1.2, "stroke-dasharray": "", fill: "none" }));
    } else node.append(mark(one.kind, x(one.value), height / 2, 4, { fill: "none", stroke: "var(--ink)", "stroke-width": 1.2 }));
  }
  lanes.forEach((one, i) => {
    const y = 8 + 13 * i;
    if (one.low !== null && one.low !== undefined) node.append(svg("path", { d: `M${x(one.low)},${y}H${x(one.high)}M${x(one.low)},${y - 3.5}v7M${x(one.high)},${y - 3.5}v7`, stroke: one.look.colour, "stroke-width": 1.8 }));
    if (Number.isFinite(one.value)) node.append(mark(one.look.mark, x(one.value), y, 4, { fill: one.look.colour, stroke: one.look.colour }));
  });
  return node;
}
