"use strict";
// Elements, numbers, arrays and looks: what all parts of the page share. Texts of the data only ever
// become text nodes and values of harmless attributes, never markup.

const DATA = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function table(head, rows, numeric) {
  const cell = (tag, at) => (text) =>
    text instanceof Node ? text : el(tag, { class: numeric && numeric(at) ? "n" : null }, text);
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, head.map((text, i) => {
      const th = cell("th", i)(text);
      th.setAttribute("scope", "col");
      return th;
    }))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((text, i) => {
      const made = cell(i ? "td" : "th", i)(text);
      if (!i) made.setAttribute("scope", "row");
      return made;
    }))))));
}

// --- numbers ---

function num(value, digits = 5) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const short = Number(value.toPrecision(digits));
  const size = Math.abs(short);
  const text = size >= 1e4 || Number.isInteger(short)
    ? short.toLocaleString("en-US", { maximumFractionDigits: 2 })
    : size !== 0 && size < 1e-4 ? short.toExponential() : String(short);
  return text.replace("-", "−");
}

const TYPES = { Int8: Int8Array, Int16: Int16Array, Int32: Int32Array, Uint8: Uint8Array, Float32: Float32Array, Float64: Float64Array };

// An array of the data: `row(a, b, ...)` are the numbers behind the leading indices.
function decode(stored) {
  if (!stored) return null;
  if (stored.decoded) return stored.decoded;
  const raw = atob(stored.data);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const values = new TYPES[stored.type](bytes.buffer);
  const shape = stored.shape;
  const row = (...index) => {
    let at = 0;
    for (let axis = 0; axis < index.length; axis++) at = at * shape[axis] + index[axis];
    const size = shape.slice(index.length).reduce((a, b) => a * b, 1);
    return values.subarray(at * size, (at + 1) * size);
  };
  stored.decoded = { shape, values, row };
  return stored.decoded;
}

// --- looks: a colour, dashes and a marker each, so that none of them is needed alone ---

const DASHES = ["", "7 4", "2 3", "9 3 2 3", "12 4", "4 2 1 2", "1 2", "14 3 4 3"];
const MARKS = ["circle", "square", "triangle", "diamond", "plus", "cross", "down", "ring"];

function look(index) {
  return { colour: `var(--c${index % 8})`, dash: DASHES[index % DASHES.length], mark: MARKS[index % MARKS.length] };
}

function mark(kind, x, y, r, attributes) {
  const p = (...points) => points.map(([dx, dy], i) => `${i ? "L" : "M"}${x + dx * r},${y + dy * r}`).join("");
  const shapes = {
    square: p([-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]) + "Z",
    triangle: p([0, -1.15], [1.1, 0.85], [-1.1, 0.85]) + "Z",
    down: p([0, 1.15], [1.1, -0.85], [-1.1, -0.85]) + "Z",
    diamond: p([0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]) + "Z",
    plus: p([-1.2, 0], [1.2, 0]) + p([0, -1.2], [0, 1.2]),
    cross: p([-1, -1], [1, 1]) + p([-1, 1], [1, -1]),
  };
  if (kind in shapes) {
    const thin = kind === "plus" || kind === "cross";
    return svg("path", { d: shapes[kind], ...(thin ? { "stroke-width": 2, fill: "none" } : {}), ...attributes });
  }
  return svg("circle", { cx: x, cy: y, r, ...(kind === "ring" ? { fill: "none" } : {}), ...attributes });
}

function sample(style) {
  return svg("svg", { viewBox: "0 0 42 12", "aria-hidden": "true" },
    svg("line", { x1: 0, x2: 42, y1: 6, y2: 6, stroke: style.colour, "stroke-width": 2.2, "stroke-dasharray": style.dash }),
    mark(style.mark, 21, 6, 4, { fill: style.colour, stroke: style.colour }));
}

// --- controls ---

function choice(label, options, picked, change) {
  const select = el("select", { "aria-label": label, onchange: (event) => change(event.target.value) },
    options.map(([value, text]) => el("option", { value, selected: String(value) === String(picked) }, text)));
  return el("label", {}, label, select);
}

function heading(id, text, lead) {
  return [el("h2", { id }, text), lead ? el("p", { class: "lead" }, lead) : null];
}
