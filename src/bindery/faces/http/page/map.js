// The collection as a map: passages as points, near each other if they are alike.

import { get, part, post } from "./api.js";
import { embed } from "./vectors.js";
import { fill, h, link, number, plural, problem, skeleton } from "./dom.js";

const COLOURS = ["#3b7dd8", "#c2571a", "#2f8f5b", "#8a4fb5", "#b58a00", "#c23b6b", "#2a8f9c", "#7a7f87"];
const MARGIN = 24;
const [POINT, HIT] = [3, 6];
const REACH = 9;
const COLOURED = { file: "file", kind: "kind", language: "language" };

export async function showMap(main, { collections, parameters, remember, go }) {
  const known = collections.filter((one) => one.files);
  const collection = known.find((one) => one.name === parameters().get("c")) ?? known[0];
  main.className = "map";
  if (!collection) return void fill(main, h("h1", {}, "Map"), h("p", { class: "note" }, "Add files first."));
  fill(main, h("h1", {}, "Map"), skeleton(4));
  const view = new MapView(main, { collection, known, remember, go, query: parameters().get("q") ?? "" });
  view.draw(await get(`/collections/${part(collection.name)}/map`));
  return () => view.leave();
}

class MapView {
  constructor(main, given) {
    Object.assign(this, given, { main, hits: [], by: "file" });
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
          Object.keys(COLOURED).map((one) => h("option", { value: one }, `colour by ${one}`))),
        h("button", { class: "primary" }, "Draw")),
      h("p", { class: "note" },
        points.length < total ? `${number(points.length)} of ${number(total)} passages, chosen at random; hits among the others are only in the list. ` : `${plural(points.length, "passage")}. `,
        `The plane keeps ${Math.round(explained * 100)} % of the differences between them, so near points may still differ. `,
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
    [this.hits, this.question] = [[], null];
    fill(this.list);
    if (!this.query) return this.paint();
    try {
      const { name, model } = this.collection;
      const answer = await post(`/collections/${part(name)}/search`, { query: this.query, passage: "chunk" }, { signal });
      this.hits = answer.hits;
      fill(this.list, this.hits.map((hit, rank) => h("li", {}, h("span", { class: "moved" }, String(rank + 1)),
        h("div", {}, link(hit.headings.at(-1) ?? hit.file, this.address(hit)), h("p", { dir: "auto" }, hit.text.slice(0, 160))))));
      this.paint();
      this.question = await this.placed(model, signal);
      this.paint();
    } catch (error) {
      if (error.name !== "AbortError") fill(this.list, h("li", {}, problem(error)));
    }
  }

  // Where the question lies: its vector in the plane. Without the right to embed, it is left out.
  async placed(model, signal) {
    try {
      const { mean, axes } = this.found;
      const [vector] = await embed(model, [this.query], "query", { signal });
      if (vector.length !== mean.length) return null;
      const [x, y] = axes.map((axis) => axis.reduce((sum, one, at) => sum + one * (vector[at] - mean[at]), 0));
      return { x, y };
    } catch (error) {
      if (error.name === "AbortError" || error.status === 401) throw error;
      return null;
    }
  }

  address(one) {
    return `/view/${part(this.collection.name)}/${part(one.file_id)}?span=${one.start}-${one.end}${this.query ? `&q=${part(this.query)}` : ""}`;
  }

  colours() {
    const counts = new Map();
    for (const one of this.found.points) counts.set(one[this.by], (counts.get(one[this.by]) ?? 0) + 1);
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
    const found = new Map(this.hits.map((hit, rank) => [`${hit.file_id} ${hit.start}`, rank]));
    this.drawn = this.found.points.map((one) => ({ one, rank: found.get(`${one.file_id} ${one.start}`), place: at(one) }));
    for (const { one, rank, place: [x, y] } of this.drawn) {
      pen.globalAlpha = found.size && rank === undefined ? 0.3 : 0.85;
      pen.fillStyle = colours.get(one[this.by]);
      circle(pen, x, y, POINT);
      pen.fill();
      if (!one.is_alike) continue;
      pen.strokeStyle = style.color;
      circle(pen, x, y, POINT + 2.5);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    const asked = this.question && at({ x: Math.max(-1, Math.min(1, this.question.x)), y: Math.max(-1, Math.min(1, this.question.y)) });
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
