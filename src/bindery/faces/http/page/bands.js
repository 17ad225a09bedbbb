// The passages of a document as bands of alternating tint. Only those near the view are drawn, so
// that a book of thousands of pages scrolls as a note does.

import { h, marked } from "./dom.js";

const GROUP = 40;
const AHEAD = "1200px";
const LINE_PX = 26;
const LINE_CHARACTERS = 80;
const MOST_RANKS = 10;

export const overlap = (one, other) => one.start < other.end && other.start < one.end;

export class Bands {
  constructor(passages, span, choose, signal) {
    Object.assign(this, { passages, span, choose });
    this.marks = new Map();
    this.ranks = new Map();
    this.chosen = -1;
    this.hit = span ? passages.findIndex((one) => overlap(one, span)) : -1;
    this.element = h("div", { class: "bands", tabindex: "0", "aria-label": "The text as it was read", role: "region" });
    this.groups = [];
    for (let from = 0; from < passages.length; from += GROUP) this.groups.push(this.placeholder(from));
    this.element.append(...this.groups);
    this.near = new IntersectionObserver((entries) =>
      entries.forEach(({ isIntersecting, target }) => isIntersecting && this.draw(target)), { root: this.element, rootMargin: AHEAD });
    this.groups.forEach((one) => this.near.observe(one));
    signal.addEventListener("abort", () => this.near.disconnect());
  }

  placeholder(from) {
    const some = this.passages.slice(from, from + GROUP);
    const lines = some.reduce((sum, one) => sum + 1 + Math.ceil(one.text.length / LINE_CHARACTERS), 0);
    const group = h("div", { class: "group", "data-from": String(from) });
    group.style.minHeight = `${lines * LINE_PX}px`;
    return group;
  }

  draw(group) {
    if (group.hasChildNodes()) return;
    this.near?.unobserve(group);
    const from = Number(group.dataset.from);
    group.append(...this.passages.slice(from, from + GROUP).map((passage, place) => this.band(passage, from + place)));
    group.style.minHeight = "";
  }

  // The band of a passage, drawn if it was not yet.
  at(place) {
    const group = this.groups[Math.floor(place / GROUP)];
    this.draw(group);
    return group.children[place % GROUP];
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
    this.redraw(place);
  }

  redraw(place) {
    const group = this.groups[Math.floor(place / GROUP)];
    group?.children[place % GROUP]?.replaceWith(this.band(this.passages[place], place));
  }

  select(place) {
    const before = this.chosen;
    this.chosen = place;
    for (const one of [before, place]) if (one >= 0) this.redraw(one);
  }

  // The next (1) or former (-1) ranked passage in the order of the document.
  beside(step) {
    const found = [...this.ranks.keys()].sort((one, other) => one - other);
    if (step > 0) return found.find((one) => one > this.chosen) ?? found[0];
    return found.findLast((one) => one < this.chosen) ?? found.at(-1);
  }

  scrollTo(place) {
    const scroll = () => {
      const band = this.at(place);
      const box = this.element;
      const above = Math.max(0, box.clientHeight - band.offsetHeight) / 3;
      box.scrollTop += band.getBoundingClientRect().top - box.getBoundingClientRect().top - above;
    };
    scroll();
    // What came into view has been drawn by then, and its height is no longer an estimate.
    requestAnimationFrame(() => requestAnimationFrame(scroll));
  }
}
