// Fewer dimensions: what the best hits become when vectors are cut, and what that saves.

import { get, part, post } from "./api.js";
import { embed, ranked } from "./vectors.js";
import { bytes, fill, h, nothingYet, number, plural, problem, skeleton } from "./dom.js";

const PASSAGES = 60;
const BEST = 10;
const STEPS = [1024, 768, 512, 384, 256, 192, 128, 96, 64, 32];
const FORMS = [["float32", 4], ["float16", 2], ["int8", 1], ["binary", 1 / 8]];

export function showDimensions(main, frame) {
  const view = new Dimensions(main, frame);
  view.draw();
  return () => view.running?.abort();
}

class Dimensions {
  constructor(main, { collections, parameters, remember }) {
    Object.assign(this, { main, collections: collections.filter((one) => one.files), remember });
    const asked = parameters();
    this.query = asked.get("q") ?? "";
    this.wanted = Number(asked.get("k")) || null;
    this.collection = this.collections.find((one) => one.name === asked.get("c")) ?? this.collections[0];
  }

  draw() {
    this.main.className = "dimensions";
    const title = h("h1", {}, "Fewer dimensions");
    if (!this.collection) return fill(this.main, nothingYet("Fewer dimensions", "There are no vectors to cut yet"));
    this.box = h("input", { type: "search", value: this.query, "aria-label": "Question", placeholder: "A question to try", dir: "auto" });
    this.picker = h("select", { "aria-label": "Collection", onchange: () => this.embed() },
      this.collections.map((one) => h("option", { value: one.name, selected: one === this.collection }, one.name)));
    this.body = h("div");
    fill(this.main, title,
      h("p", { class: "note" }, "Vectors can be cut: the first numbers are kept, and the rest is dropped. Move the slider and watch the best passages."),
      h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); this.embed(); } },
        this.box, this.picker, h("button", { class: "primary" }, "Try")),
      this.body);
    if (this.query) this.embed();
  }

  async embed() {
    this.query = this.box.value.trim();
    if (!this.query) return this.box.focus();
    this.collection = this.collections.find((one) => one.name === this.picker.value);
    this.running?.abort();
    this.running = new AbortController();
    const { signal } = this.running;
    fill(this.body, h("p", { class: "note", role: "status" }, `Embedding the nearest ${PASSAGES} passages ...`), skeleton(4));
    try {
      const { name, model } = this.collection;
      const [found, { rotations }] = await Promise.all([
        post(`/collections/${part(name)}/search`, { query: this.query, mode: "dense", top: PASSAGES, passage: "chunk" }, { signal }),
        get("/rotations", { signal }),
      ]);
      this.hits = found.hits;
      const rotation = rotations.find((one) => one.model === model);
      this.ways = [["Plain cut", await this.vectors(model, null, signal)]];
      if (rotation) this.ways.push([`Rotation ${rotation.name}`, await this.vectors(model, rotation.name, signal)]);
      this.show();
    } catch (error) {
      if (error.name !== "AbortError") fill(this.body, problem(error, () => this.embed()));
    }
  }

  async vectors(model, rotation, signal) {
    const [query] = await embed(model, [this.query], "query", { rotation, signal });
    return { query, passages: await embed(model, this.hits.map((hit) => hit.text), "document", { rotation, signal }) };
  }

  show() {
    const full = this.ways[0][1].query.length;
    this.steps = [full, ...STEPS.filter((one) => one < full)];
    const place = Math.max(0, this.steps.indexOf(this.wanted));
    this.slider = h("input", { type: "range", min: "0", max: String(this.steps.length - 1), value: String(place), "aria-label": "Dimensions", oninput: () => this.move() });
    this.facts = h("dl", { class: "tiles" });
    this.columns = h("div", { class: "sides" });
    fill(this.body,
      h("div", { class: "slider" }, this.slider, h("div", { class: "ticks", "aria-hidden": "true" }, this.steps.map((one) => h("span", {}, String(one))))),
      this.facts, this.columns,
      this.ways.length > 1 ? null : h("p", { class: "note" }, "A rotation keeps more in few dimensions. Fit one with ", h("code", {}, "bindery rotate"), " to see it here beside the plain cut."));
    this.move();
  }

  move() {
    const full = this.steps[0];
    const k = this.steps[Number(this.slider.value)];
    this.slider.setAttribute("aria-valuetext", `${k} dimensions`);
    this.remember({ q: this.query, k: k === full ? "" : String(k), c: this.collections.length > 1 ? this.collection.name : "" });
    const reference = order(this.ways[0][1], full).slice(0, BEST);
    const { chunks } = this.collection;
    fill(this.facts, FORMS.map(([form, size]) => {
      const [own, whole] = [k * size * chunks, full * 4 * chunks];
      return h("div", {}, h("dt", {}, form), h("dd", {}, bytes(own), h("small", {}, `${((100 * own) / whole).toFixed(own / whole < 0.1 ? 1 : 0)} % of float32 at ${full}`),
        h("meter", { min: "0", max: "1", value: String(own / whole), "aria-label": `${form} of ${plural(chunks, "passage")}` })));
    }));
    fill(this.columns, this.ways.map(([name, vectors]) => this.column(name, order(vectors, k).slice(0, BEST), reference, k)));
  }

  column(name, best, reference, k) {
    const kept = best.filter((one) => reference.includes(one)).length;
    return h("section", { "aria-label": name },
      h("h2", {}, name, " ", h("small", { class: "note" }, `${number(k)} dimensions, ${kept} of the best ${reference.length} kept`)),
      h("ol", { class: "moving" }, best.map((one, place) => {
        const was = reference.indexOf(one);
        const moved = was === place ? "" : was < 0 ? "new" : was > place ? `▲ ${was - place}` : `▼ ${place - was}`;
        const hit = this.hits[one];
        return h("li", {}, h("span", { class: "moved" }, moved),
          h("div", {}, h("strong", { dir: "auto" }, hit.headings.at(-1) ?? hit.file), h("p", { dir: "auto" }, hit.text.slice(0, 160))));
      })));
  }
}

const order = ({ query, passages }, k) => ranked(query, passages, k);
