// -- The steps: each has a formula and a text, and draws its matrices.

// Names of matrices, for captions and for the names of entries.
const PHI = "\u03c6(pad(Z))", W_PHI = "W \u03c6(pad(Z))", SIGMA = "\u03c3(S)";
const Z_NEXT = "Z\u1d50\u207a\u00b9", MASKED = "V \u2299 I[Z]";
const D_S = "\u2202\u03be/\u2202S", D_W = "\u2202\u03be/\u2202W", WT_D_S = "W\u1d40 \u2202\u03be/\u2202S";
const D_PAD = "\u2202\u03be/\u2202pad(Z)", D_Z = "\u2202\u03be/\u2202Z";
const arrow = () => sign("\u2192");
const together = (...parts) => element("div", { class: "together" }, ...parts);
const DXI = (x) => `&part;&xi;/&part;${x}`;
const where = () => `(${state.i}, ${state.j})`;
const column = (L) => columnOf(L, state.i, state.j);

// The patch of the chosen output pixel, in rows and columns of pad(Z).
function inPatch(L, row, col) {
  const { h, s } = L.sizes, u = row - state.i * s, w = col - state.j * s;
  return u >= 0 && w >= 0 && u < h && w < h;
}
// Marks of an image of pad(Z) (shift 0) or of Z (shift p), channel c.
function patchMarks(L, c, shift = 0) {
  const chosen = source(L, state.entry, state.i, state.j);
  return (r, q) => {
    const [row, col] = [r + shift, q + shift];
    const term = chosen.c === c && chosen.row === row && chosen.column === col;
    return `${inPatch(L, row, col) ? "patch" : ""} ${term ? "term" : ""}`;
  };
}
const onBorder = (L, r, q) => {
  const { p, a, b } = L.sizes;
  return r < p || q < p || r >= a + p || q >= b + p;
};

// Every shown channel of Z or pad(Z), or of the derivative with respect to one of them.
function channels(L, A, title, padded, more = () => "") {
  const { a, b, a_pad, b_pad, p } = L.sizes, shift = padded ? 0 : p;
  const chosen = source(L, state.entry, state.i, state.j);
  return range(L.shown.d).map((c) => {
    const marks = patchMarks(L, c, shift);
    return image(A, title, c, padded ? a_pad : a, padded ? b_pad : b, {
      id: `${title} channel ${c}`,
      title: `<b>${title}</b>, channel ${c}`,
      mark: (r, q) => `${marks(r, q)} ${more(r, q)}`,
      pick: (r, q) => pickPadded(c, r + shift, q + shift),
      ...(chosen.c === c ? { chosen: [chosen.row - shift, chosen.column - shift] } : {}),
    });
  });
}

// Row f of a matrix with one column per output pixel, as an image.
function output(L, A, title, mark = () => "") {
  const f = state.filter;
  return image(A, title, f, L.sizes.a_conv, L.sizes.b_conv, {
    id: `${title} filter ${f}`, title: `<b>${title}</b>, row f = ${f} as an image`,
    mark: (i, j) => `${i === state.i && j === state.j ? "result" : ""} ${mark(i, j)}`,
    pick: (i, j) => set({ i, j }), chosen: [state.i, state.j],
  });
}

// The pooled pixel of the chosen output pixel, or null outside all complete windows.
function pooled(L) {
  const { h_pool, a_next, b_next } = L.sizes;
  const i = Math.floor(state.i / h_pool), j = Math.floor(state.j / h_pool);
  return i < a_next && j < b_next ? { i, j } : null;
}
// Row f of a matrix with one column per pooled pixel; a click chooses the place of its maximum.
function pooledImage(L, A, title, mark = () => "") {
  const f = state.filter, here = pooled(L);
  return image(A, title, f, L.sizes.a_next, L.sizes.b_next, {
    id: `${title} filter ${f}`, title: `<b>${title}</b>, row f = ${f}`,
    mark: (i, j) => `${here && here.i === i && here.j === j ? "result" : ""} ${mark(i, j)}`,
    pick: (i, j) => set(winner(L, f, i, j)), ...(here ? { chosen: [here.i, here.j] } : {}),
  });
}
// Window borders, the chosen window, its maximum, and the pixels that are in no window.
function poolMarks(L) {
  const { h_pool: n, a_next, b_next } = L.sizes, here = pooled(L);
  const best = here && winner(L, state.filter, here.i, here.j);
  return (i, j) => [
    i % n ? "" : "edge-top", j % n ? "" : "edge-left",
    i >= n * a_next || j >= n * b_next ? "gone" : "",
    here && Math.floor(i / n) === here.i && Math.floor(j / n) === here.j ? "patch" : "",
    best && best.i === i && best.j === j ? "term" : "",
  ].join(" ");
}

const phiMark = (L) => (k, q) =>
  `${q === column(L) ? "patch" : ""} ${q === column(L) && k === state.entry ? "term" : ""}`;
const columnSpec = (L) => ({
  centre: column(L), columnHead: (q) => `${q}`, chosen: [state.entry, column(L)],
  pick: (k, q) => set({ entry: k, i: q % L.sizes.a_conv, j: Math.floor(q / L.sizes.a_conv) }),
});
const offsetHead = (L) => (k) => {
  const { u, w, c } = offsets(L, k);
  return `${k} (${u},${w})${L.shown.d > 1 ? ` c${c}` : ""}`;
};
const filterMark = (f, k) =>
  `${f === state.filter ? "filter" : ""} ${f === state.filter && k === state.entry ? "term" : ""}`;
const filterMatrix = (L, A, title, name) => grid({
  rows: range(A.rows), columns: range(A.columns), value: (f, k) => at(A, f, k),
  name: (f, k) => `${name}: row ${f}, column ${k}`, scale: largest(A), id: name, title,
  rowHead: String, columnHead: String, mark: filterMark, chosen: [state.filter, state.entry],
  pick: (f, k) => set({ filter: f, entry: k }),
});

// The text "32 x 288, the first 4 rows and 27 columns" after the name of a matrix of W's shape.
function firstOnes(L) {
  const { h, d, d_next } = L.sizes, cut = [];
  if (!wholeFilters(L)) cut.push(`${L.W.rows} rows`);
  if (!wholeChannels(L)) cut.push(`${L.W.columns} columns`);
  return `, ${d_next} &times; ${h * h * d}${cut.length ? `, the first ${cut.join(" and ")}` : ""}`;
}

// The patches of each channel, side by side in one row per channel.
const channelPatches = (L, list) => range(L.shown.d).map((c) => panels(...list(c)));

const STEPS = [
  {
    id: "Z", group: "Forward", short: "Z", title: "The input",
    formula: "<i>Z</i><sup>m</sup> &isin; &#8477;<sup>d &times; ab</sup>",
    text: (L) => `One row per channel, one column per pixel: pixel (i, j) is column i + a&middot;j, so that the
      row index runs fastest. The frame shows the pixels in the patch of output pixel ${where()}.`,
    draw: (L) => {
      const { row, column: col, c } = source(L, state.entry, state.i, state.j), { p, a, b } = L.sizes;
      const [i, j] = [row - p, col - p], inside = i >= 0 && j >= 0 && i < a && j < b;
      const spec = {
        id: "Z as a matrix", width: 24, centre: inside ? i + a * j : 0,
        title: `<b>Z<sup>m</sup></b> as stored, d &times; ab, here ${L.sizes.d} &times; ${a * b}${
          wholeChannels(L) ? "" : ` (first ${L.shown.d} rows)`}.`,
        mark: (r, q) => `${inPatch(L, (q % a) + p, Math.floor(q / a) + p) ? "patch" : ""} ${
          inside && r === c && q === i + a * j ? "term" : ""}`,
        pick: (r, q) => pickPadded(r, (q % a) + p, Math.floor(q / a) + p),
        ...(inside ? { chosen: [c, i + a * j] } : {}),
      };
      return [panels(...channels(L, L.Z, "Z", false)), matrix(L.Z, "Z", spec)];
    },
  },
  {
    id: "pad", group: "Forward", short: "pad", title: "Padding",
    formula: "vec(pad(<i>Z</i>)) = P<sub>pad</sub> vec(<i>Z</i>)",
    text: (L) => `A border of zeros (hatched), p = ${L.sizes.p} pixel${L.sizes.p === 1 ? "" : "s"} wide, is added on
      every side: ${L.sizes.a} &times; ${L.sizes.b} becomes ${L.sizes.a_pad} &times; ${L.sizes.b_pad}.
      The patch of output pixel (i, j) starts at row i&middot;s, column j&middot;s of pad(Z); the stride is
      s = ${L.sizes.s}.`,
    draw: (L) => [panels(...channels(L, L.padZ, "pad(Z)", true, (r, q) => (onBorder(L, r, q) ? "pad" : "")))],
  },
  {
    id: "phi", group: "Forward", short: "\u03c6", title: "A patch becomes a column",
    formula: "vec(&phi;(pad(<i>Z</i>))) = P<sub>&phi;</sub> P<sub>pad</sub> vec(<i>Z</i>)",
    text: (L) => {
      const { u, w, c } = offsets(L, state.entry), { row, column: col } = source(L, state.entry, state.i, state.j);
      const { h, d, a_pad } = L.sizes;
      return `Output pixel ${where()} is column i + a<sub>conv</sub>&middot;j = ${column(L)} of &phi;.
        Offset (u, w) of channel c is row u + h&middot;w + h&middot;h&middot;c: offset (${u}, ${w}) of channel ${c}
        is row ${state.entry}. It is pixel (${row}, ${col}) of pad(Z), entry
        c + d((i&middot;s + u) + a<sub>pad</sub>(j&middot;s + w)) =
        ${c} + ${d}(${row} + ${a_pad}&middot;${col}) = ${c + d * (row + a_pad * col)} of vec(pad(Z)).`;
    },
    draw: (L) => [
      panels(...channels(L, L.padZ, "pad(Z)", true, (r, q) => (onBorder(L, r, q) ? "pad" : "")), arrow(),
        matrix(L.phiZ, PHI, {
          id: "phi", title: `<b>&phi;(pad(Z))</b>, ${L.sizes.h ** 2 * L.sizes.d} &times; ${L.phiZ.columns}.`,
          ...columnSpec(L), rowHead: offsetHead(L), mark: phiMark(L),
        })),
      overview(L),
    ],
  },
  {
    id: "product", group: "Forward", short: "W \u03c6", title: "The product",
    formula: "<i>W</i> &phi;(pad(<i>Z</i>))",
    text: (L) => `Row f = ${state.filter} of W is a filter, and column ${column(L)} of &phi; is a patch. Their inner
      product is one entry of the result. Drawn as ${L.sizes.h} &times; ${L.sizes.h} images, patch and filter
      are multiplied entry by entry, and the terms are summed.`,
    draw: (L) => {
      const f = state.filter, q = column(L), scale = largest(L.phiZ) * largest(L.W);
      return [
        ...channelPatches(L, (c) => [
          patch(L, "patch", (k) => at(L.phiZ, k, q), c, largest(L.phiZ),
            { id: `patch, channel ${c}`, title: `<b>patch</b> of ${where()}, channel ${c}`, colour: "patch" }),
          sign("\u00b7"),
          patch(L, "W", (k) => at(L.W, f, k), c, largest(L.W),
            { id: `filter, channel ${c}`, title: `<b>filter</b> f = ${f}, channel ${c}`, colour: "filter" }),
          sign("="),
          patch(L, "product", (k) => at(L.W, f, k) * at(L.phiZ, k, q), c, scale,
            { id: `terms, channel ${c}`, title: "<b>terms</b> of the sum", colour: "" }),
        ]),
        sumLine(`(W \u03c6)(${f}, ${q})`, sums.product(L, f, q), (t) => t.k === state.entry),
        element("div", { class: "corner" },
          html("p", `The entry is where the filter's row meets the patch's column.`, { class: "dim" }),
          matrix(L.phiZ, PHI, {
            id: "phi", title: "<b>&phi;(pad(Z))</b>.", ...columnSpec(L), mark: phiMark(L),
          }),
          filterMatrix(L, L.W, `<b>W</b>${firstOnes(L)}`, "W"),
          matrix(L.product, W_PHI, {
            id: "W phi", title: "<b>W &phi;(pad(Z))</b>.", ...columnSpec(L),
            chosen: [f, q], mark: (r, c) => (r === f && c === q ? "result" : ""),
            pick: (r, c) => set({ filter: r, i: c % L.sizes.a_conv, j: Math.floor(c / L.sizes.a_conv) }),
          })),
      ];
    },
  },
  {
    id: "relu", group: "Forward", short: "+ bias, \u03c3", title: "Bias and ReLU",
    formula: `<i>S</i> = <i>W</i> &phi;(pad(<i>Z</i>)) + bias 1<sup>T</sup>, &nbsp;
      &sigma;(<i>S</i>) = max(<i>S</i>, 0)`,
    text: (L) => `The bias of filter f, here ${short(at(L.bias, state.filter, 0))}, is added to row f; then
      negative entries become 0. Row f of S is an image of ${L.sizes.a_conv} &times; ${L.sizes.b_conv} pixels.`,
    draw: (L) => [
      panels(output(L, L.product, W_PHI), arrow(), output(L, L.S, "S"), arrow(),
        output(L, L.sigma, SIGMA)),
      sumLine(`S(${state.filter}, ${column(L)})`, sums.S(L, state.filter, column(L))),
    ],
  },
  {
    id: "pool", group: "Forward", short: "pool", title: "Max pooling",
    formula: "vec(<i>Z</i><sup>m+1</sup>) = P<sub>pool</sub> vec(&sigma;(<i>S</i>))",
    text: (L) => {
      const n = L.sizes.h_pool, here = pooled(L);
      if (n === 1) return "h_pool = 1: this layer does not pool, so that P<sub>pool</sub> is the identity.";
      if (!here) return `Pixel ${where()} is not in a complete ${n} &times; ${n} window, so it is dropped.`;
      const best = winner(L, state.filter, here.i, here.j);
      return `Pooling keeps the maximum of each complete ${n} &times; ${n} window and remembers its place, which
        is P<sub>pool</sub>. In the framed window, that of ${where()}, the maximum is at (${best.i}, ${best.j}).
        If several entries are equal, the first counts, in the order u + h_pool&middot;w.`;
    },
    draw: (L) => [panels(output(L, L.sigma, SIGMA, poolMarks(L)), arrow(), pooledImage(L, L.Z_next, Z_NEXT))],
  },
  {
    id: "mask", group: "Backward", short: "I[Z]", title: "Backward through the ReLU", equation: 3,
    formula: `${DXI("vec(<i>Z</i><sup>m+1</sup>)<sup>T</sup>")} &#8857; vec(I[<i>Z</i><sup>m+1</sup>])<sup>T</sup>`,
    text: (L) => `V = ${DXI("Z<sup>m+1</sup>")} comes from the next layer. Where Z<sup>m+1</sup> is 0, the ReLU
      blocks the gradient: I[&middot;] is 1 where an entry is strictly positive, else 0. Choose an entry
      of V and follow it.`,
    draw: (L) => {
      const closed = (i, j) => (at(L.Z_next, state.filter, i + L.sizes.a_next * j) > 0 ? "" : "gone");
      return [panels(pooledImage(L, L.V, "V"), sign("\u2299"),
        pooledImage(L, L.Z_next, Z_NEXT, closed), arrow(), pooledImage(L, L.masked, MASKED))];
    },
  },
  {
    id: "unpool", group: "Backward", short: "P<sub>pool</sub>", title: "Backward through the pooling", equation: 3,
    formula: `${DXI("vec(<i>S</i>)<sup>T</sup>")} = ( ${DXI("vec(<i>Z</i><sup>m+1</sup>)<sup>T</sup>")} &#8857;
      vec(I[<i>Z</i><sup>m+1</sup>])<sup>T</sup> ) P<sub>pool</sub>`,
    text: () => `Every entry returns to the place of its maximum. The other entries of the window had no
      influence and get 0.`,
    draw: (L) => [panels(pooledImage(L, L.masked, MASKED), arrow(), output(L, L.dS, D_S, poolMarks(L)))],
  },
  {
    id: "dW", group: "Backward", short: "\u2202\u03be/\u2202W", title: "The gradient of the filters", equation: 4,
    formula: `${DXI("<i>W</i>")} = ${DXI("<i>S</i>")} &phi;(pad(<i>Z</i>))<sup>T</sup>`,
    text: (L) => `One product for all pixels. Column ${column(L)} adds an outer product; to row f = ${state.filter}
      it adds entry ${short(at(L.dS, state.filter, column(L)))} of ${DXI("S")} times the patch of ${where()}.
      The sum below is for the chosen row of &phi;, ${state.entry}, over all ${L.phiZ.columns} columns.`,
    draw: (L) => {
      const f = state.filter, q = column(L), v = at(L.dS, f, q);
      const sum = sums.dW(L, f, state.entry);
      return [
        panels(output(L, L.dS, D_S), sign("\u00b7"), element("div", {}, ...channelPatches(L, (c) => [
          patch(L, "patch", (k) => at(L.phiZ, k, q), c, largest(L.phiZ),
            { id: `patch, channel ${c}`, title: `<b>patch</b> of ${where()}, channel ${c}`, colour: "patch" }),
          sign("="),
          patch(L, "added", (k) => v * at(L.phiZ, k, q), c, largest(L.dW),
            { id: `contribution, channel ${c}`, title: `<b>contribution</b> to`, colour: "" }),
          arrow(),
          patch(L, D_W, (k) => at(L.dW, f, k), c, largest(L.dW),
            { id: `dxi/dW, channel ${c}`, title: `<b>${DXI("W")}</b>, row f = ${f}, channel ${c}`, colour: "filter" }),
        ]))),
        sumLine(`\u2202\u03be/\u2202W(${f}, ${state.entry})`, sum, (t) => t.q === q),
        sumLine(`\u2202\u03be/\u2202bias(${f})`, sums.dbias(L, f), (t) => t.q === q),
        filterMatrix(L, L.dW, `<b>${DXI("W")}</b>${firstOnes(L)}`, D_W),
      ];
    },
  },
  {
    id: "WtV", group: "Backward", short: "W\u1d40 \u2202\u03be/\u2202S", title: "Backward through the product", equation: 5,
    formula: `<i>W</i><sup>T</sup> ${DXI("<i>S</i>")}`,
    text: (L) => `Column ${column(L)} of ${DXI("S")} has one entry per filter. W<sup>T</sup> maps it to a column
      of the length of a patch: the sum of all filters, each times its entry. The patches show channel
      ${offsets(L, state.entry).c}; the sum below is for row ${state.entry}, over all ${L.sizes.d_next} filters.`,
    draw: (L) => {
      const q = column(L), { c } = offsets(L, state.entry);
      const filters = range(L.shown.d_next).map((f) => together(
        sign(`${f ? "+ " : ""}${short(at(L.dS, f, q))} \u00b7`),
        patch(L, "W", (k) => at(L.W, f, k), c, largest(L.W), {
          id: `filter ${f}`, title: `<b>filter</b> ${f}`, colour: f === state.filter ? "filter" : "",
          pick: (u, w) => set({ filter: f, entry: rowOf(L, u, w, c) }),
        })));
      const others = (k) => at(L.WtV_rest, k, q);
      const rest = wholeFilters(L) ? [] : [together(sign("+"), patch(L, "rest", others, c, largest(L.WtV),
        { id: "the other filters", title: "<b>all other</b> filters", colour: "" }))];
      return [
        panels(...filters, ...rest, together(sign("="), patch(L, WT_D_S, (k) => at(L.WtV, k, q), c,
          largest(L.WtV), { id: "column as a patch", title: `<b>column ${q}</b> as a patch`, colour: "patch" }))),
        sumLine(`(${WT_D_S})(${state.entry}, ${q})`, sums.WtV(L, state.entry, q),
          (t) => t.f === state.filter),
        panels(
          matrix(L.dS, D_S, {
            id: "dxi/dS", title: `<b>${DXI("S")}</b>.`, ...columnSpec(L), chosen: [state.filter, q],
            mark: (f, c) => (c === q ? "patch" : "") + (c === q && f === state.filter ? " filter" : ""),
            pick: (f, c) => set({ filter: f, i: c % L.sizes.a_conv, j: Math.floor(c / L.sizes.a_conv) }),
          }),
          matrix(L.WtV, WT_D_S, {
            id: "W' dxi/dS", title: `<b>W<sup>T</sup> ${DXI("S")}</b>.`, ...columnSpec(L),
            rowHead: offsetHead(L), mark: phiMark(L),
          })),
      ];
    },
  },
  {
    id: "scatter", group: "Backward", short: "v\u1d40 P<sub>\u03c6</sub>", equation: 5,
    title: "Patches are added where they came from",
    formula: `vec( <i>W</i><sup>T</sup> ${DXI("<i>S</i>")} )<sup>T</sup> P<sub>&phi;</sub>`,
    text: (L) => {
      const { row, column: col, c } = source(L, state.entry, state.i, state.j);
      const n = patchesWith(L, c, row, col).length;
      return `Column ${column(L)}, as a patch, is added to the pixels that its entries were copied from. A pixel
        in several patches collects the sum of all of them: pixel (${row}, ${col}) of channel ${c} is in ${n}
        patch${n === 1 ? "" : "es"}, of the output pixel${n === 1 ? "" : "s"} framed on the right. MATLAB's
        accumarray does this.`;
    },
    draw: (L) => {
      const q = column(L), { row, column: col, c: channel } = source(L, state.entry, state.i, state.j);
      const sources = patchesWith(L, channel, row, col), sum = sums.dpad(L, channel, row, col);
      sum.terms.forEach((t) => { t.place = `from (${t.i}, ${t.j})`; });
      return [
        ...channelPatches(L, (c) => [
          patch(L, WT_D_S, (k) => at(L.WtV, k, q), c, largest(L.WtV),
            { id: `column as a patch, channel ${c}`, colour: "patch",
              title: `<b>column ${q}</b> as a patch, channel ${c}` }),
          arrow(),
          channels(L, L.dpad, D_PAD, true, (r, k) => (onBorder(L, r, k) ? "pad" : ""))[c],
          ...(c !== channel ? [] : [sign("\u2190"), grid({
            id: "entries added", title: `<b>entries added</b> to pixel (${row}, ${col}), by output pixel`,
            rows: range(L.sizes.a_conv), columns: range(L.sizes.b_conv), scale: largest(L.WtV),
            ...imageLook(L.sizes.a_conv, L.sizes.b_conv),
            value: (i, j) => {
              const t = sources.find((s) => s.i === i && s.j === j);
              return t ? at(L.WtV, t.k, t.q) : null;
            },
            name: (i, j) => `W\u1d40 \u2202\u03be/\u2202S, from output pixel (${i}, ${j})`,
            mark: (i, j) => `result ${i === state.i && j === state.j ? "term" : ""}`,
          })]),
        ]),
        sumLine(`\u2202\u03be/\u2202pad(Z)(${channel}, pixel (${row}, ${col}))`, sum, (t) => t.q === q),
      ];
    },
  },
  {
    id: "unpad", group: "Backward", short: "P<sub>pad</sub>", title: "The padding is dropped", equation: 5,
    formula: `${DXI("vec(<i>Z</i>)<sup>T</sup>")} = vec( <i>W</i><sup>T</sup> ${DXI("<i>S</i>")} )<sup>T</sup>
      P<sub>&phi;</sub> P<sub>pad</sub>`,
    text: (L) => `The zeros of the border are not part of the input, so their derivative is dropped.
      ${L.m === 1 ? "No layer comes before layer 1, so training skips (5) here."
        : `${DXI("Z<sup>m</sup>")} is passed on to layer m &minus; 1.`}`,
    draw: (L) => range(L.shown.d).map((c) => panels(
      channels(L, L.dpad, D_PAD, true, (r, q) => (onBorder(L, r, q) ? "pad gone" : ""))[c],
      arrow(), channels(L, L.dZ, D_Z, false)[c])),
  },
];

// -- The rest of the page.

function draw() {
  const L = layer(), step = STEPS.find((s) => s.id === state.step), focus = document.activeElement?.id;
  const number = step.equation ? ` <span class="dim">(${step.equation})</span>` : "";
  const stage = $("stage");
  stage.replaceChildren(element("h2", {}, step.title), html("p", step.formula + number, { class: "formula" }),
    html("p", step.text(L)), ...step.draw(L));
  for (const [name, value] of Object.entries(state)) stage.dataset[name] = value;
  for (const box of stage.querySelectorAll(".scroll")) bring(box);
  const table = focus && stage.querySelector(`#${CSS.escape(focus)}`);
  if (table) {  // keys move the selection, so show the digits of the chosen entry
    table.focus({ preventScroll: true });
    $("readout").textContent = table.querySelector("[aria-selected]")?.title ?? "";
  }
  drawControls(L);
}

// Scroll a matrix that is larger than its box to its chosen entry.
function bring(box) {
  const cell = box.querySelector("[aria-selected]");
  if (!cell) return;
  box.scrollLeft = cell.offsetLeft - box.clientWidth / 2;
  box.scrollTop = cell.offsetTop - box.clientHeight / 2;
}

function drawControls(L) {
  const now = STEPS.findIndex((s) => s.id === state.step);
  for (const button of $("steps").querySelectorAll("button"))
    if (button.value === state.step) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  $("previous").disabled = now === 0;
  $("next").disabled = now === STEPS.length - 1;
  const options = (id, list) => {
    $(id).replaceChildren(...list.map((n) => element("option", { value: n }, n)));
    $(id).value = state[id];
  };
  options("layer", data.layers.map((each) => each.m));
  options("filter", range(L.shown.d_next));
  for (const [id, value, n] of [["row", state.i, L.sizes.a_conv], ["column", state.j, L.sizes.b_conv],
    ["entry", state.entry, L.phiZ.rows]]) {
    $(id).max = n - 1;
    $(id).value = value;
  }
  const g = L.sizes, cut = [];
  if (!wholeFilters(L)) cut.push(`the first ${L.shown.d_next} of ${g.d_next} filters`);
  if (!wholeChannels(L)) cut.push(`the first ${L.shown.d} of ${g.d} channels`);
  const notes = [...data.notes];
  if (cut.length)
    notes.push(`The page shows ${cut.join(" and ")} of layer ${L.m}. The numbers include all of them: ` +
      "the contribution of the others is one term of a sum.");
  $("notes").replaceChildren(...notes.map((text) => element("li", {}, text)));
  $("subtitle").textContent = `${data.title}, layer ${L.m} of ${data.LC} convolutional: ` +
    `${g.a} \u00d7 ${g.b} pixels in ${g.d} channel${g.d > 1 ? "s" : ""}, ${g.d_next} filters of ` +
    `${g.h} \u00d7 ${g.h}. Input: ${data.image}. Prediction: ${data.predicted}. ` +
    `Loss \u03be: ${data.loss}, for class ${data.target}.`;
  $("rules").replaceChildren(...[
    `Z<sup>m</sup> is d &times; ab = ${g.d} &times; ${g.a * g.b}: one row per channel, one column per pixel; pixel (i, j)
     is column i + a&middot;j (the images of a batch are side by side, d &times; abl; here l = 1). All indices start
     from 0.`,
    `pad: p = ${g.p}, a<sub>pad</sub> = a + 2p = ${g.a_pad}. Stride s = ${g.s}:
     a<sub>conv</sub> = &lfloor;(a<sub>pad</sub> &minus; h)/s&rfloor; + 1 = ${g.a_conv}.
     Pooling h_pool = ${g.h_pool}: a<sup>m+1</sup> = &lfloor;a<sub>conv</sub>/h_pool&rfloor; = ${g.a_next}.`,
    `&phi;(pad(Z)) has h&middot;h&middot;d = ${g.h ** 2 * g.d} rows and a<sub>conv</sub>b<sub>conv</sub> =
     ${g.a_conv * g.b_conv} columns, one per patch: output pixel (i, j) is column i + a<sub>conv</sub>&middot;j;
     row u + h&middot;w + h&middot;h&middot;c is filter offset (u, w) of channel c. The columns of W have the same order.`,
    "vec stacks columns. Pooling comes after the ReLU; I[&middot;] is strict (&gt; 0).",
  ].map((text) => html("li", text)));
}

function move(by) {
  const next = STEPS[STEPS.findIndex((s) => s.id === state.step) + by];
  if (next) set({ step: next.id });
}

for (const group of new Set(STEPS.map((s) => s.group))) {
  const buttons = STEPS.filter((s) => s.group === group).map((s) => {
    const button = html("button", s.short + (s.equation ? ` (${s.equation})` : ""),
      { type: "button", value: s.id, title: s.title });
    button.addEventListener("click", () => set({ step: s.id }));
    return button;
  });
  $("steps").append(element("div", { role: "group", "aria-label": group }, element("b", {}, group), ...buttons));
}
$("previous").addEventListener("click", () => move(-1));
$("next").addEventListener("click", () => move(1));
for (const [id, name] of [["layer", "layer"], ["filter", "filter"], ["row", "i"], ["column", "j"], ["entry", "entry"]])
  $(id).addEventListener("change", () => set({ [name]: Number($(id).value) }));
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest?.("input, select")) return;
  if (event.key === "ArrowRight") move(1);
  if (event.key === "ArrowLeft") move(-1);
});
window.addEventListener("hashchange", readAddress);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

choosePlace(state.layer);
readAddress();
const tested = selfTest();
$("self-test").dataset.checked = tested.checked;
$("self-test").dataset.failed = tested.failed;
$("self-test").textContent = tested.failed
  ? `Self-test: ${tested.failed} of ${tested.checked} sums and copies on this page differ from the package's ` +
    `numbers; the first: ${tested.places.join("; ")}`
  : `Self-test: all ${tested.checked.toLocaleString("en")} sums and copies on this page equal the package's ` +
    "numbers up to rounding.";
