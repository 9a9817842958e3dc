"use strict";
// The package computed all numbers of the page.  This script draws them, and it computes the sums
// that it shows, each beside the package's own value.

// -- Matrices: {rows, columns, vec}, vec stacks the columns.  All indices count from 0.

const data = JSON.parse(document.getElementById("data").textContent);
const at = (A, row, column) => A.vec[row + A.rows * column];
const range = (n, from = 0) => Array.from({ length: Math.max(n, 0) }, (_, x) => from + x);
const largest = (A) => (A.largest ??= A.vec.reduce((x, y) => Math.max(x, Math.abs(y)), 0));
const wholeChannels = (L) => L.shown.d === L.sizes.d;
const wholeFilters = (L) => L.shown.d_next === L.sizes.d_next;

// Row k of phi is offset (u, w) of channel c; column q is output pixel (i, j).
const rowOf = (L, u, w, c) => u + L.sizes.h * w + L.sizes.h ** 2 * c;
const offsets = (L, k) => {
  const h = L.sizes.h;
  return { u: k % h, w: Math.floor(k / h) % h, c: Math.floor(k / (h * h)) };
};
const columnOf = (L, i, j) => i + L.sizes.a_conv * j;
// The pixel of pad(Z) that is entry k of the patch of output pixel (i, j).
const source = (L, k, i, j) => {
  const { u, w, c } = offsets(L, k);
  return { row: i * L.sizes.s + u, column: j * L.sizes.s + w, c };
};
// The place in S of the maximum of a pooling window.
const winner = (L, f, i, j) => {
  const q = at(L.idx_pool, f, i + L.sizes.a_next * j);
  return { i: q % L.sizes.a_conv, j: Math.floor(q / L.sizes.a_conv) };
};

// -- The sums: terms x*y (or x alone), the terms that are not on the page, the package's value.

const sums = {
  product: (L, f, q) => ({
    terms: range(L.phiZ.rows).map((k) => ({ k, x: at(L.W, f, k), y: at(L.phiZ, k, q) })),
    rest: wholeChannels(L) ? null : at(L.product_rest, f, q),
    restName: `${L.sizes.d - L.shown.d} channels not shown`,
    value: at(L.product, f, q),
  }),
  S: (L, f, q) => ({
    terms: [{ x: at(L.product, f, q) }, { x: at(L.bias, f, 0) }],
    value: at(L.S, f, q),
  }),
  dW: (L, f, k) => ({
    terms: range(L.phiZ.columns).map((q) => ({ q, x: at(L.dS, f, q), y: at(L.phiZ, k, q) })),
    value: at(L.dW, f, k),
  }),
  dbias: (L, f) => ({
    terms: range(L.dS.columns).map((q) => ({ q, x: at(L.dS, f, q) })),
    value: at(L.dbias, f, 0),
  }),
  WtV: (L, k, q) => ({
    terms: range(L.shown.d_next).map((f) => ({ f, x: at(L.W, f, k), y: at(L.dS, f, q) })),
    rest: wholeFilters(L) ? null : at(L.WtV_rest, k, q),
    restName: `${L.sizes.d_next - L.shown.d_next} filters not shown`,
    value: at(L.WtV, k, q),
  }),
  dpad: (L, c, row, column) => ({
    terms: patchesWith(L, c, row, column).map((t) => ({ ...t, x: at(L.WtV, t.k, t.q) })),
    value: at(L.dpad, c, row + L.sizes.a_pad * column),
  }),
};

// All patches that contain a pixel of pad(Z), each with the pixel's row of phi.
function patchesWith(L, c, row, column) {
  const { h, s, a_conv, b_conv } = L.sizes, found = [];
  for (const w of range(h)) for (const u of range(h)) {
    const i = (row - u) / s, j = (column - w) / s;
    if (Number.isInteger(i) && Number.isInteger(j) && i >= 0 && j >= 0 && i < a_conv && j < b_conv)
      found.push({ i, j, k: rowOf(L, u, w, c), q: columnOf(L, i, j) });
  }
  return found;
}

const product = (t) => (t.y === undefined ? t.x : t.x * t.y);
function total(sum) {
  let value = sum.rest ?? 0, size = Math.abs(value);
  for (const t of sum.terms) { value += product(t); size += Math.abs(product(t)); }
  return { value, ok: Math.abs(value - sum.value) <= 1e-12 * size };
}

// -- The self-test: every sum that the page can show, and every entry that is only copied.

function selfTest() {
  const result = { checked: 0, failed: 0, places: [] };  // the first wrong place of each matrix
  const check = (ok, place) => {
    result.checked += 1;
    if (ok) return;
    result.failed += 1;
    const name = place().split("(")[0];
    if (!result.places.some((found) => found.startsWith(`${name}(`))) result.places.push(place());
  };
  for (const L of data.layers) {
    const g = L.sizes, where = (name, ...index) => () => `layer ${L.m}: ${name}(${index.join(", ")})`;
    const sum = (name, ...index) => check(total(sums[name](L, ...index)).ok, where(name, ...index));
    const K = range(L.phiZ.rows), Q = range(L.phiZ.columns), F = range(L.shown.d_next);
    for (const q of Q) for (const k of K) {
      const { row, column, c } = source(L, k, q % g.a_conv, Math.floor(q / g.a_conv));
      check(at(L.phiZ, k, q) === at(L.padZ, c, row + g.a_pad * column), where("phi", k, q));
      sum("WtV", k, q);
    }
    for (const f of F) {
      for (const q of Q) {
        sum("product", f, q);
        sum("S", f, q);
        check(at(L.sigma, f, q) === Math.max(at(L.S, f, q), 0), where("sigma", f, q));
      }
      for (const k of K) sum("dW", f, k);
      sum("dbias", f);
      const back = new Map();
      for (const n of range(L.Z_next.columns)) {
        const q = at(L.idx_pool, f, n), V = at(L.Z_next, f, n) > 0 ? at(L.V, f, n) : 0;
        check(at(L.Z_next, f, n) === at(L.sigma, f, q), where("pool", f, n));
        check(at(L.masked, f, n) === V, where("mask", f, n));
        back.set(q, V);
      }
      for (const q of Q) check(at(L.dS, f, q) === (back.get(q) ?? 0), where("dS", f, q));
    }
    for (const c of range(L.shown.d)) for (const n of range(L.padZ.columns)) {
      const row = n % g.a_pad, column = Math.floor(n / g.a_pad), i = row - g.p, j = column - g.p;
      const inside = i >= 0 && j >= 0 && i < g.a && j < g.b;
      check(at(L.padZ, c, n) === (inside ? at(L.Z, c, i + g.a * j) : 0), where("pad", c, n));
      if (inside) check(at(L.dpad, c, n) === at(L.dZ, c, i + g.a * j), where("unpad", c, n));
      sum("dpad", c, row, column);
    }
  }
  return result;
}

// -- The state: layer, step, output pixel, filter and row of phi; kept in the page's address.

const state = { layer: data.layers[0].m, step: "Z", i: 0, j: 0, filter: 0, entry: 0 };
const layer = () => data.layers.find((L) => L.m === state.layer);
const clamp = (x, n) => Math.min(Math.max(Math.trunc(x) || 0, 0), n - 1);

function set(change) {
  if ("layer" in change && !data.layers.some((L) => L.m === change.layer)) delete change.layer;
  if (change.layer !== undefined && change.layer !== state.layer) choosePlace(change.layer);
  Object.assign(state, change);
  const L = layer();
  if (!STEPS.some((step) => step.id === state.step)) state.step = STEPS[0].id;
  state.i = clamp(state.i, L.sizes.a_conv);
  state.j = clamp(state.j, L.sizes.b_conv);
  state.filter = clamp(state.filter, L.shown.d_next);
  state.entry = clamp(state.entry, L.phiZ.rows);
  const { step, i, j, filter, entry, layer: m } = state;
  history.replaceState(null, "", `#step=${step}&pixel=${i},${j}&filter=${filter}&entry=${entry}&layer=${m}`);
  draw();
}

// An interesting first place: a large entry of dxi/dS, and the middle of its patch.
function choosePlace(m) {
  state.layer = m;
  const L = layer(), { h, s, p, a, b, a_conv } = L.sizes, middle = Math.floor(h / 2);
  let best = -1;
  L.dS.vec.forEach((x, n) => {
    const q = Math.floor(n / L.dS.rows), i = q % a_conv, j = Math.floor(q / a_conv);
    const inside = i * s >= p && j * s >= p && i * s + h <= a + p && j * s + h <= b + p;
    const weight = Math.abs(x) * (inside ? 2 : 1);  // prefers a patch without padding
    if (weight > best) { best = weight; Object.assign(state, { filter: n % L.dS.rows, i, j }); }
  });
  state.entry = rowOf(L, middle, middle, 0);
}

function readAddress() {
  const words = new URLSearchParams(location.hash.slice(1)), change = {};
  if (words.has("step")) change.step = words.get("step");
  if (words.has("pixel")) [change.i, change.j] = words.get("pixel").split(",").map(Number);
  for (const name of ["filter", "entry", "layer"])
    if (words.has(name)) change[name] = Number(words.get(name));
  set(change);
}

// Choose a pixel of pad(Z), and the nearest output pixel whose patch contains it.
function pickPadded(c, row, column) {
  const L = layer(), { i, j } = state;
  const distance = (t) => Math.abs(t.i - i) + Math.abs(t.j - j);
  const found = patchesWith(L, c, row, column).sort((s, t) => distance(s) - distance(t))[0];
  if (found) set({ i: found.i, j: found.j, entry: found.k });
}

// -- Drawing.  Text from outside is inserted as text; `html` takes only constants and numbers.

const $ = (id) => document.getElementById(id);
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
function html(tag, text, attributes = {}) {
  const node = element(tag, attributes);
  node.innerHTML = text;
  return node;
}
const minus = (text) => text.replaceAll("-", "\u2212");
function short(x) {
  const size = Math.abs(x);
  if (size === 0) return "0";
  if (size < 0.0095) return minus(x.toExponential(0));
  return minus(x.toFixed(size < 0.095 ? 3 : size < 9.95 ? 2 : size < 99.5 ? 1 : 0));
}
const exact = (x) => minus(String(x));

// A grid of numbers.  `spec`: id, title, rows, columns (lists of indices), value(r, c) or null,
// name(r, c), scale; and optionally mark(r, c), pick(r, c), chosen [r, c], heads, small.
function grid(spec) {
  const table = element("table", { id: spec.id.replace(/\s+/g, "-") });
  const { rows, columns, rowHead, columnHead } = spec;
  if (columnHead)
    table.append(element("tr", {}, ...(rowHead ? [element("th")] : []),
      ...columns.map((c) => element("th", { scope: "col" }, columnHead(c)))));
  for (const r of rows) {
    const line = element("tr");
    if (rowHead) line.append(element("th", { scope: "row" }, rowHead(r)));
    for (const c of columns) {
      const x = spec.value(r, c), cell = element("td");
      line.append(cell);
      if (x === null) { cell.className = "gone"; continue; }
      if (!spec.small) cell.append(short(x));
      const share = spec.scale ? Math.min(Math.abs(x) / spec.scale, 1) : 0;
      cell.style.setProperty("--t", `${Math.round(6 + 62 * share)}%`);
      cell.className = `${x > 0 ? "plus" : x < 0 ? "minus" : ""} ${spec.mark?.(r, c) ?? ""}`;
      cell.title = `${spec.name(r, c)} = ${exact(x)}`;
      if (spec.pick) cell.addEventListener("click", () => spec.pick(r, c));
      if (spec.chosen?.[0] === r && spec.chosen[1] === c) {
        cell.id = `${table.id}-chosen`;
        cell.setAttribute("aria-selected", "true");
      }
    }
    table.append(line);
  }
  if (spec.small) table.classList.add("small");
  if (spec.pick) makePickable(table, spec);
  table.addEventListener("mouseover", (event) => {
    if (event.target.title) $("readout").textContent = event.target.title;
  });
  table.setAttribute("aria-label", spec.id);
  return element("figure", {}, html("figcaption", spec.title), element("div", { class: "scroll" }, table));
}

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
function makePickable(table, spec) {
  table.classList.add("pick");
  table.tabIndex = 0;
  table.setAttribute("role", "grid");
  if (spec.chosen) table.setAttribute("aria-activedescendant", `${table.id}-chosen`);
  table.addEventListener("keydown", (event) => {
    const move = ARROWS[event.key];
    if (!move || !spec.chosen) return;
    event.preventDefault();
    event.stopPropagation();
    const [r, c] = [spec.chosen[0] + move[0], spec.chosen[1] + move[1]];
    const [a, b] = [spec.limits?.[0] ?? spec.rows.length, spec.limits?.[1] ?? spec.columns.length];
    if (r >= 0 && c >= 0 && r < a && c < b) spec.pick(r, c);
  });
}

// A large image is drawn as colours only, a small one with numbers and indices.
const imageLook = (a, b) =>
  (Math.max(a, b) > 14 ? { small: true } : { rowHead: String, columnHead: String });

// Row `r` of a matrix as an image: pixel (i, j) is column i + a*j.
function image(A, name, r, a, b, spec) {
  return grid({
    rows: range(a), columns: range(b), value: (i, j) => at(A, r, i + a * j),
    name: (i, j) => `${name}: row ${r}, column ${i + a * j}, pixel (${i}, ${j})`,
    scale: largest(A), ...imageLook(a, b), ...spec,
  });
}

// The h h values in the rows of phi that belong to channel c, drawn as an h x h patch.
function patch(L, name, value, c, scale, spec) {
  return grid({
    rows: range(L.sizes.h), columns: range(L.sizes.h),
    value: (u, w) => value(rowOf(L, u, w, c)),
    name: (u, w) => `${name}: row ${rowOf(L, u, w, c)} of phi, offset (${u}, ${w}), channel ${c}`,
    scale, pick: (u, w) => set({ entry: rowOf(L, u, w, c) }),
    ...(offsets(L, state.entry).c === c
      ? { chosen: [offsets(L, state.entry).u, offsets(L, state.entry).w] } : {}),
    ...spec,
    mark: (u, w) => `${spec.colour} ${rowOf(L, u, w, c) === state.entry ? "term" : ""}`,
  });
}

// A matrix; if it has many columns, only those around `centre`.
function matrix(A, name, spec) {
  const centre = spec.centre ?? 0, width = Math.min(spec.width ?? 13, A.columns);
  const first = Math.max(0, Math.min(centre - (width >> 1), A.columns - width));
  const columns = range(width, first);
  const part = columns.length < A.columns
    ? ` <span class="dim">columns ${first} to ${first + columns.length - 1} of ${A.columns}</span>` : "";
  return grid({
    rows: range(A.rows), columns, value: (r, c) => at(A, r, c), limits: [A.rows, A.columns],
    name: (r, c) => `${name}: row ${r}, column ${c}`, scale: largest(A),
    rowHead: String, columnHead: String, ...spec, title: spec.title + part,
  });
}

// The whole of phi as colours, the chosen column framed.
function overview(L) {
  const A = L.phiZ, probe = $("legend");
  const colour = (name) => {  // the browser resolves light-dark() in a colour that is in use
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const canvas = element("canvas", {
    role: "img", "aria-label": `phi(pad(Z)), ${A.rows} x ${A.columns}, as colours`,
    width: A.columns * 4, height: A.rows * 4, style: `height: ${Math.min(A.rows * 7, 190)}px`,
  });
  const pen = canvas.getContext("2d");
  pen.fillStyle = colour("cell");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  A.vec.forEach((x, n) => {
    pen.globalAlpha = Math.abs(x) / (largest(A) || 1);
    pen.fillStyle = colour(x > 0 ? "plus" : "minus");
    pen.fillRect(4 * Math.floor(n / A.rows), 4 * (n % A.rows), 4, 4);
  });
  const q = columnOf(L, state.i, state.j);
  pen.globalAlpha = 1;
  pen.fillStyle = colour("patch");
  probe.style.color = "";
  pen.fillRect(4 * q - 1, 0, 1, canvas.height);
  pen.fillRect(4 * q + 4, 0, 1, canvas.height);
  canvas.addEventListener("click", (event) => {
    const column = clamp((event.offsetX / canvas.clientWidth) * A.columns, A.columns);
    set({ i: column % L.sizes.a_conv, j: Math.floor(column / L.sizes.a_conv) });
  });
  return element("figure", { class: "overview" },
    html("figcaption", `All of &phi;(pad(Z)), ${A.rows} &times; ${A.columns}, as colours: click to choose a column`), canvas);
}

const panels = (...parts) => element("div", { class: "panels" }, ...parts);
const sign = (text) => element("span", { class: "sign", "aria-hidden": "true" }, text);

// A sum written out beside the package's value.  `name`: name of the value; `isTerm`: whether a
// term is the chosen one.
function sumLine(name, sum, isTerm = () => false) {
  const LIMIT = 12, box = element("p", { class: "sum" });
  const live = sum.terms.length > 2 ? sum.terms.filter((t) => product(t) !== 0) : sum.terms;
  const shown = live.filter((t, n) => n < LIMIT || isTerm(t));
  box.append(`${name} = `);
  shown.forEach((t, n) => {
    const text = t.y === undefined ? short(t.x) : `(${short(t.x)})(${short(t.y)})`;
    const extra = t.place ? ` ${t.place}` : "";
    const joined = n && t.y === undefined && t.x < 0;  // "... - 2" for "... + -2"
    box.append(joined ? " \u2212 " : n ? " + " : "",
      element("span", isTerm(t) ? { class: "term" } : {}, (joined ? text.slice(1) : text) + extra));
  });
  const hidden = live.length - shown.length, zeros = sum.terms.length - live.length;
  if (!shown.length) box.append("0");
  if (hidden) box.append(` + ... ${hidden} more`);
  if (sum.rest != null) box.append(` + ${short(sum.rest)} [${sum.restName}]`);
  if (zeros) box.append(element("span", { class: "dim" }, `  (${zeros} of ${sum.terms.length} terms are 0)`));
  const { value, ok } = total(sum);
  box.append(element("br"), `summed here ${exact(value)}`, element("br"), `the package ${exact(sum.value)}  `,
    element("span", { class: ok ? "ok" : "not" }, ok ? "\u2713 equal up to rounding" : "\u2717 NOT equal"));
  if (!ok) box.classList.add("wrong");
  return box;
}
