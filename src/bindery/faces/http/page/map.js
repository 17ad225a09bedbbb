// The collection as a map: passages as points, near each other if they are alike.

import { get, part, post } from "./api.js";
import { embed } from "./vectors.js";
import { fill, h, link, nothingYet, number, plural, problem, skeleton } from "./dom.js";

const COLOURS = ["#3b7dd8", "#c2571a", "#2f8f5b", "#8a4fb5", "#b58a00", "#c23b6b", "#2a8f9c", "#7a7f87"];
const MARGIN = 24;
const [POINT, HIT] = [3, 6];
const REACH = 9;
const COLOURED = ["file", "kind", "language"];
const MOST_FILES = 2000;

export async function showMap(main, { collections, parameters, remember, go }) {
  const known = collections.filter((one) => one.files);
  const collection = known.find((one) => one.name === parameters().get("c")) ?? known[0];
  main.className = "map";
  if (!collection) return void fill(main, nothingYet("Map", "There are no passages to draw yet"));
  fill(main, h("h1", {}, "Map"), skeleton(4));
  const view = new MapView(main, { collection, known, remember, go, query: parameters().get("q") ?? "" });
  const base = `/collections/${part(collection.name)}`;
  const [found, { files }] = await Promise.all([get(`${base}/map`), get(`${base}/files?limit=${MOST_FILES}`)]);
  view.attributes = new Map(files.map((file) => [file.file_id, file.attributes]));
  view.draw(found);
  return () => view.leave();
}

class MapView {
  constructor(main, given) {
    Object.assign(this, given, { main, hits: [], missed: [], added: [], by: "file" });
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.paint = this.paint.bind(this);
  }

  leave() {
    this.resized.disconnect();
    this.scheme.removeEventListener("change", this.paint);
    this.running?.abort();
  }

  draw(found) {
    this.found = found;
    const { points, total, explained } = found;
    this.box = h("input", { type: "search", value: this.query, "aria-label": "Question", placeholder: "Draw in a question and its hits", dir: "auto" });
    this.canvas = h("canvas", { role: "img", "aria-label": `${plural(points.length, "passage")} as points; the hits of a question are listed below`,
      onpointermove: (event) => this.point(event), onpointerleave: () => this.point(null), onclick: () => this.open() });
    this.told = h("p", { class: "note told" }, " ");
    this.list = h("ol", { class: "moving" });
    this.key = h("p", { class: "key note" });
    const twins = points.filter((one) => one.is_alike).length;
    fill(this.main, h("h1", {}, "Map"),
      h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); this.ask(); } }, this.box,
        this.known.length > 1 ? h("select", { "aria-label": "Collection", onchange: (event) => this.go(`/?${new URLSearchParams({ show: "map", c: event.target.value, q: this.box.value })}`) },
          this.known.map((one) => h("option", { value: one.name, selected: one === this.collection }, one.name))) : null,
        h("select", { "aria-label": "Colour by", onchange: (event) => { this.by = event.target.value; this.paint(); } },
          [...COLOURED, ...Object.keys(this.collection.attributes)].map((one) => h("option", { value: one }, `colour by ${one}`))),
        h("button", { class: "primary" }, "Draw")),
      h("p", { class: "note" },
        points.length < total ? `${number(points.length)} of ${number(total)} passages, chosen at random. ` : `${plural(points.length, "passage")}. `,
        `The plane keeps ${Math.round(explained * 100)} % of the differences between them, so near points may still differ. `,
        "A diamond marks a passage that the hits missed. ",
        twins ? `${plural(twins, "passage")} with a ring ${twins === 1 ? "has" : "have"} a near-duplicate.` : ""),
      h("div", { class: "chart" }, this.canvas), this.key, this.told, this.list);
    this.resized = new ResizeObserver(this.paint);
    this.resized.observe(this.canvas.parentElement);
    this.scheme.addEventListener("change", this.paint);
    if (this.query) this.ask();
  }

  async ask() {
    this.query = this.box.value.trim();
    this.remember({ q: this.query, c: this.known.length > 1 ? this.collection.name : "" });
    this.running?.abort();
    const { signal } = (this.running = new AbortController());
    [this.hits, this.missed, this.added, this.question] = [[], [], [], null];
    fill(this.list);
    if (!this.query) return this.paint();
    try {
      const { name, model } = this.collection;
      const found = (mode) => post(`/collections/${part(name)}/search`, { query: this.query, passage: "chunk", mode }, { signal });
      const [both, words, meaning] = await Promise.all(["hybrid", "lexical", "dense"].map(found));
      this.hits = both.hits;
      this.missed = missedOf(both.hits, words.hits, meaning.hits);
      const item = (sign, hit, note = "") => h("li", {}, h("span", { class: "moved" }, sign),
        h("div", {}, link(hit.headings.at(-1) ?? hit.file, this.address(hit)), h("span", { class: "note" }, note), h("p", { dir: "auto" }, hit.text.slice(0, 160))));
      fill(this.list, this.hits.map((hit, rank) => item(String(rank + 1), hit)),
        this.missed.map((hit) => item("◇", hit, ` missed: among the best ten by ${hit.by} alone`)));
      this.paint();
      await this.place(model, signal);
      this.paint();
    } catch (error) {
      if (error.name !== "AbortError") fill(this.list, h("li", {}, problem(error)));
    }
  }

  // Where the question lies, and the hits that are not among the points: their vectors in the plane.
  // Without the right to embed, and for a model with a vector for each token, they are left out.
  async place(model, signal) {
    const { mean, axes, points } = this.found;
    const at = (vector) => {
      const [x, y] = axes.map((axis) => axis.reduce((sum, one, place) => sum + one * (vector[place] - mean[place]), 0));
      return { x: Math.max(-1, Math.min(1, x)), y: Math.max(-1, Math.min(1, y)) };
    };
    try {
      const [vector] = await embed(model, [this.query], "query", { signal });
      if (vector.length !== mean.length) return;
      this.question = at(vector);
      const known = new Set(points.map(keyOf));
      const others = [...this.hits, ...this.missed].filter((hit) => !known.has(keyOf(hit)));
      const vectors = await embed(model, others.map((hit) => hit.text), "document", { signal });
      this.added = others.map((hit, place) => ({ ...hit, ...at(vectors[place]), is_alike: false }));
    } catch (error) {
      if (error.name === "AbortError" || error.status === 401) throw error;
    }
  }

  address(one) {
    return `/view/${part(this.collection.name)}/${part(one.file_id)}?span=${one.start}-${one.end}${this.query ? `&q=${part(this.query)}` : ""}`;
  }

  // What a point is coloured by: a property of its own, or an attribute of its file.
  shade(one) {
    if (COLOURED.includes(this.by)) return one[this.by];
    return [this.attributes.get(one.file_id)?.[this.by] ?? ""].flat().join(", ");
  }

  colours() {
    const counts = new Map();
    for (const one of this.found.points) counts.set(this.shade(one), (counts.get(this.shade(one)) ?? 0) + 1);
    const names = [...counts].sort((one, other) => other[1] - one[1]).map(([name]) => name);
    const last = COLOURS.length - 1;
    fill(this.key, names.slice(0, last).map((name, at) => h("span", { class: `swatch c${at}`, dir: "auto" }, name || "not known")),
      names.length > last ? h("span", { class: `swatch c${last}` }, `${number(names.length - last)} others`) : null);
    return new Map(names.map((name, at) => [name, COLOURS[Math.min(at, last)]]));
  }

  paint() {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    const ratio = devicePixelRatio || 1;
    [canvas.width, canvas.height] = [width * ratio, height * ratio];
    const at = ({ x, y }) => [MARGIN + ((x + 1) / 2) * (width - 2 * MARGIN), MARGIN + ((1 - y) / 2) * (height - 2 * MARGIN)];
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(canvas);
    const colours = this.colours();
    const found = new Map(this.hits.map((hit, rank) => [keyOf(hit), rank]));
    const missed = new Set(this.missed.map(keyOf));
    this.drawn = [...this.found.points, ...this.added].map((one) => ({ one, rank: found.get(keyOf(one)), place: at(one) }));
    for (const { one, rank, place: [x, y] } of this.drawn) {
      const isMissed = missed.has(keyOf(one));
      pen.globalAlpha = found.size && rank === undefined && !isMissed ? 0.3 : 0.85;
      if (isMissed) diamond(pen, x, y, style.borderColor);
      pen.fillStyle = colours.get(this.shade(one)) ?? COLOURS.at(-1);
      circle(pen, x, y, POINT);
      pen.fill();
      if (!one.is_alike) continue;
      pen.strokeStyle = style.color;
      circle(pen, x, y, POINT + 2.5);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    const asked = this.question && at(this.question);
    for (const { rank, place: [x, y] } of this.drawn.filter((one) => one.rank !== undefined)) {
      [pen.strokeStyle, pen.fillStyle] = [style.borderColor, style.borderColor];
      if (asked) line(pen, asked, [x, y]);
      circle(pen, x, y, HIT);
      pen.fill();
      pen.fillStyle = style.backgroundColor;
      pen.font = "600 9px system-ui, sans-serif";
      [pen.textAlign, pen.textBaseline] = ["center", "middle"];
      pen.fillText(String(rank + 1), x, y + 0.5);
    }
    if (!asked) return;
    pen.fillStyle = style.color;
    pen.font = "600 20px system-ui, sans-serif";
    [pen.textAlign, pen.textBaseline] = ["center", "middle"];
    pen.fillText("?", ...asked);
  }

  point(event) {
    const nearest = event && this.drawn
      ?.map((one) => [Math.hypot(one.place[0] - event.offsetX, one.place[1] - event.offsetY), one.one])
      .reduce((best, one) => (one[0] < best[0] ? one : best), [REACH, null])[1];
    this.nearest = nearest ?? null;
    this.canvas.classList.toggle("on-point", Boolean(nearest));
    this.told.textContent = nearest ? [nearest.file, ...nearest.headings].join(" › ") : " ";
  }

  open() {
    if (this.nearest) this.go(this.address(this.nearest));
  }
}

const keyOf = ({ file_id: file, start }) => `${file} ${start}`;

// What one of words and meaning has among its best ten, and the mix of both has not.
function missedOf(hits, words, meaning) {
  const known = new Set(hits.map(keyOf));
  const only = (some, by) => some.filter((hit) => !known.has(keyOf(hit)) && known.add(keyOf(hit))).map((hit) => ({ ...hit, by }));
  return [...only(words, "words"), ...only(meaning, "meaning")];
}

function diamond(pen, x, y, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.beginPath();
  [[0, -8], [8, 0], [0, 8], [-8, 0]].forEach(([dx, dy], at) => (at ? pen.lineTo(x + dx, y + dy) : pen.moveTo(x + dx, y + dy)));
  pen.closePath();
  pen.stroke();
  pen.lineWidth = 1;
}

function circle(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
}

function line(pen, from, to) {
  pen.globalAlpha = 0.35;
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
  pen.globalAlpha = 1;
}
