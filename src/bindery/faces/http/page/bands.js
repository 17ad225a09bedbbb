// The passages of a document as bands of alternating tint.

import { h, marked } from "./dom.js";
import { Rows } from "./rows.js";

const LINE_PX = 26;
const LINE_CHARACTERS = 80;
const MOST_RANKS = 10;

export const overlap = (one, other) => one.start < other.end && other.start < one.end;

// Warnings of the reader by the pages or slides that they name.
export function warningsByPage(warnings) {
  const found = new Map();
  for (const text of warnings) {
    const pages = /(?:pages|slides)[^:]*: ([\d, ]*\d)/.exec(text)?.[1].split(", ").map(Number) ?? [];
    for (const page of pages) found.set(page, [...(found.get(page) ?? []), text]);
  }
  return found;
}

const REPLACED = "\ufffd";

// The same by the places of passages: a page without text is beside the one that follows.
function warningsByPlace(passages, warnings) {
  const found = new Map();
  const put = (place, text) => place >= 0 && found.set(place, new Set([...(found.get(place) ?? []), text]));
  for (const [page, texts] of warningsByPage(warnings)) {
    const next = passages.findIndex((one) => (one.last_page ?? one.page) >= page);
    for (const text of texts) put(next < 0 ? passages.length - 1 : next, text);
  }
  const replaced = warnings.find((text) => text.includes("U+FFFD"));
  if (replaced) passages.forEach((one, place) => one.text.includes(REPLACED) && put(place, replaced));
  return found;
}

export const warningSign = (texts) => {
  const told = [...texts].join(" ");
  return h("span", { class: "sign", role: "note", tabindex: "0", title: told, "aria-label": told }, "!");
};

export class Bands {
  constructor({ passages, warnings }, span, choose, signal) {
    Object.assign(this, { passages, span, choose });
    this.warnings = warningsByPlace(passages, warnings);
    this.marks = new Map();
    this.ranks = new Map();
    this.chosen = -1;
    this.hit = span ? passages.findIndex((one) => overlap(one, span)) : -1;
    this.element = h("div", { class: "bands", tabindex: "0", "aria-label": "The text as it was read", role: "region" });
    const height = (one) => LINE_PX * (1 + Math.ceil(one.text.length / LINE_CHARACTERS));
    this.rows = new Rows(this.element, { make: (passage, place) => this.band(passage, place), height, signal });
    this.rows.add(passages);
    if (!passages.length) this.element.append(h("p", { class: "idle note" }, "No text was found in this document."));
  }

  band(passage, place) {
    const former = this.passages[place - 1];
    const isHit = this.span && overlap(passage, this.span);
    const rank = this.ranks.get(place);
    return h("section", {
      class: `band ${place % 2 ? "odd" : "even"}${isHit ? " is-hit" : ""}${place === this.chosen ? " chosen" : ""}`,
      title: passage.headings.join(" › ") || null, "data-place": String(place), "aria-label": isHit ? "The passage that was found" : null,
      onclick: () => this.choose(passage, place),
    },
    h("aside", {},
      passage.page && passage.page !== former?.page ? h("span", {}, `p. ${passage.page}`) : null,
      h("span", { class: "tokens", title: "tokens of this passage" }, String(passage.tokens)),
      this.warnings.has(place) ? warningSign(this.warnings.get(place)) : null,
      rank === undefined ? null : h("span", { class: "rank", title: "its place among the passages of this file" }, `#${rank + 1}`)),
    h("div", { class: "words", dir: "auto" }, this.words(passage, place)));
  }

  // The words that matched, or the span of the address if it is only a part of the passage.
  words(passage, place) {
    const { span } = this;
    const isPart = span && overlap(passage, span) && (span.start > passage.start || span.end < passage.end);
    const part = isPart ? [{ start: Math.max(span.start, passage.start), end: Math.min(span.end, passage.end) }] : [];
    return marked(passage.text, this.marks.get(place) ?? part, passage.start);
  }

  // A hit of a search in this file: its words are marked, and the best ones get their rank.
  mark(hit, rank) {
    const place = this.passages.findIndex((one) => one.start === hit.start && one.end === hit.end);
    if (place < 0) return;
    this.marks.set(place, hit.marks.map(({ start, end }) => ({ start: start + hit.start, end: end + hit.start })));
    if (rank < MOST_RANKS) this.ranks.set(place, rank);
    this.rows.redraw(place);
  }

  select(place) {
    const before = this.chosen;
    this.chosen = place;
    for (const one of [before, place]) if (one >= 0) this.rows.redraw(one);
  }

  // The next (1) or former (-1) ranked passage in the order of the document.
  beside(step) {
    const found = [...this.ranks.keys()].sort((one, other) => one - other);
    if (step > 0) return found.find((one) => one > this.chosen) ?? found[0];
    return found.findLast((one) => one < this.chosen) ?? found.at(-1);
  }

  scrollTo(place) {
    const scroll = () => {
      const band = this.rows.at(place);
      const box = this.element;
      const above = Math.max(0, box.clientHeight - band.offsetHeight) / 3;
      box.scrollTop += band.getBoundingClientRect().top - box.getBoundingClientRect().top - above;
    };
    scroll();
    // What came into view has been drawn by then, and its height is no longer an estimate.
    requestAnimationFrame(() => requestAnimationFrame(scroll));
  }
}
