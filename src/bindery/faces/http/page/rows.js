// A long list of which only the groups near the view are in the page, so that 10,000 rows scroll as
// ten do. A group that is out of view keeps its height.

import { h } from "./dom.js";

const GROUP = 40;
const AHEAD = "1200px 0px";

export class Rows {
  // `make` gives the element of an item at a place, `height` its likely height in pixels. `root` is
  // what scrolls, null for the window.
  constructor(element, { make, height, tag = "div", root = element, signal }) {
    Object.assign(this, { element, make, height, tag, items: [], groups: [] });
    this.near = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target, boundingClientRect } of entries) {
        if (isIntersecting) this.draw(target);
        else this.drop(target, boundingClientRect.height);
      }
    }, { root, rootMargin: AHEAD });
    signal.addEventListener("abort", () => this.near.disconnect());
  }

  clear() {
    this.near.disconnect();
    [this.items, this.groups] = [[], []];
    this.element.replaceChildren();
  }

  add(items) {
    let place = this.items.length;
    for (const item of items) this.items.push(item);
    while (place < this.items.length) {
      const number = Math.floor(place / GROUP);
      const end = Math.min(this.items.length, (number + 1) * GROUP);
      const group = this.groups[number] ?? this.open(number);
      if (group.hasChildNodes()) group.append(...this.made(place, end));
      else if (number === 0) this.draw(group); // no frame without rows
      else group.style.minHeight = `${this.guess(number * GROUP, end)}px`;
      place = end;
    }
  }

  open(number) {
    const group = h(this.tag, { class: "group", "data-from": String(number * GROUP) });
    if (this.tag === "ol") group.start = number * GROUP + 1;
    this.groups.push(group);
    this.element.append(group);
    this.near.observe(group);
    return group;
  }

  guess(from, to) {
    return this.items.slice(from, to).reduce((sum, item) => sum + this.height(item), 0);
  }

  made(from, to) {
    return this.items.slice(from, to).map((item, at) => this.make(item, from + at));
  }

  draw(group) {
    if (group.hasChildNodes()) return;
    const from = Number(group.dataset.from);
    group.append(...this.made(from, from + GROUP));
    group.style.minHeight = "";
  }

  // What is in use stays: an open explanation, or the focus of the keyboard.
  drop(group, height) {
    if (!group.hasChildNodes() || group.contains(document.activeElement) || group.querySelector("[open]")) return;
    group.style.minHeight = `${height}px`;
    group.replaceChildren();
  }

  // The element of an item, drawn if it is not.
  at(place) {
    const group = this.groups[Math.floor(place / GROUP)];
    if (!group) return undefined;
    this.draw(group);
    return group.children[place % GROUP];
  }

  redraw(place) {
    const group = this.groups[Math.floor(place / GROUP)];
    group?.children[place % GROUP]?.replaceWith(this.make(this.items[place], place));
  }
}
