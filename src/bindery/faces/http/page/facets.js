// Filters as chips, of the values that the files of a collection really have.

import { get, part } from "./api.js";
import { button, fill, h, number } from "./dom.js";

const MOST_FILES = 2000;
const MOST_KEYS = 5;
const MOST_VALUES = 7;
const NAMES = { kind: "Kind", language: "Language" };

export class Facets {
  // `chosen` are texts like "kind=pdf", as the address has them.
  constructor(collection, chosen, changed) {
    this.collection = collection;
    this.chosen = new Set(chosen);
    this.changed = changed;
    this.types = { kind: "text", language: "text", ...collection.attributes };
    this.element = h("div", { class: "facets", role: "group", "aria-label": "Filters" });
  }

  async load() {
    const { files, total_files: total } = await get(`/collections/${part(this.collection.name)}/files?limit=${MOST_FILES}`);
    const counts = new Map();
    for (const file of files) {
      for (const [key, value] of [["kind", file.kind], ["language", file.language], ...Object.entries(file.attributes)]) {
        for (const one of [value].flat()) {
          if (one === "" || one === null || one === undefined) continue;
          if (!counts.has(key)) counts.set(key, new Map());
          const values = counts.get(key);
          values.set(one, (values.get(one) ?? 0) + 1);
        }
      }
    }
    this.draw(counts, files.length < total);
  }

  draw(counts, isPart) {
    const groups = [...counts].filter(([, values]) => values.size > 1 && values.size <= 60).slice(0, MOST_KEYS);
    const chosenKeys = new Set([...this.chosen].map((one) => one.split("=")[0]));
    fill(this.element, groups.map(([key, values]) => {
      const sorted = [...values].sort((one, other) => other[1] - one[1]);
      const shown = sorted.filter(([value], place) => place < MOST_VALUES || this.chosen.has(`${key}=${value}`));
      return h("div", { class: "facet" }, h("span", { class: "note" }, NAMES[key] ?? key),
        shown.map(([value, count]) => this.chip(key, value, isPart ? null : count)));
    }), button("Clear", () => this.clear(), { class: "plain clear", hidden: !chosenKeys.size }));
  }

  chip(key, value, count) {
    const text = `${key}=${value}`;
    return h("button", {
      type: "button", class: "chip", "aria-pressed": String(this.chosen.has(text)), "data-chip": text,
      onclick: (event) => {
        if (!this.chosen.delete(text)) this.chosen.add(text);
        event.currentTarget.setAttribute("aria-pressed", String(this.chosen.has(text)));
        this.tell();
      },
    }, h("span", { dir: "auto" }, String(value)), count === null ? null : h("small", {}, ` ${number(count)}`));
  }

  clear() {
    this.chosen.clear();
    this.element.querySelectorAll(".chip").forEach((one) => one.setAttribute("aria-pressed", "false"));
    this.tell();
  }

  tell() {
    const clear = this.element.querySelector(".clear");
    if (clear) clear.hidden = !this.chosen.size;
    this.changed();
  }

  // Values of one key are alternatives; different keys must all hold.
  filter() {
    const byKey = new Map();
    for (const one of this.chosen) {
      const at = one.indexOf("=");
      const key = one.slice(0, at);
      byKey.set(key, [...(byKey.get(key) ?? []), this.value(key, one.slice(at + 1))]);
    }
    const filters = [...byKey].map(([key, value]) => ({ type: "in", key, value }));
    if (!filters.length) return undefined;
    return filters.length === 1 ? filters[0] : { type: "and", filters };
  }

  value(key, text) {
    const type = this.types[key];
    if (type === "number") return Number(text);
    if (type === "boolean") return text === "true";
    return text;
  }
}
