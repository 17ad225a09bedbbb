// Elements are built from values, never from markup, so text of a document stays text.

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  add(element, children);
  return element;
}

export function add(element, children) {
  for (const child of [children].flat(9)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren();
  return add(element, children);
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Spans count code points, and strings of JavaScript count UTF-16 units.
const BEYOND = /[\ud800-\udbff]/;

export function slicer(text) {
  if (!BEYOND.test(text)) return (start, end) => text.slice(start, end);
  const points = Array.from(text);
  return (start, end) => points.slice(start, end).join("");
}

export function marked(text, marks, base = 0) {
  const slice = slicer(text);
  const parts = [];
  let at = 0;
  for (const { start, end } of marks ?? []) {
    const from = Math.max(at, start - base);
    const to = end - base;
    if (to <= from) continue;
    if (from > at) parts.push(slice(at, from));
    parts.push(h("mark", {}, slice(from, to)));
    at = to;
  }
  parts.push(slice(at, undefined));
  return parts;
}

export function announce(text) {
  document.getElementById("status").textContent = text;
}

export function button(label, action, properties = {}) {
  return h("button", { type: "button", onclick: action, ...properties }, label);
}

export function link(label, address, properties = {}) {
  return h("a", { href: address, ...properties }, label);
}

const SIZES = ["B", "kB", "MB", "GB", "TB"];

export function bytes(count) {
  let step = 0;
  while (count >= 1000 && step < SIZES.length - 1) {
    count /= 1024;
    step += 1;
  }
  return `${count >= 10 || step === 0 ? Math.round(count) : count.toFixed(1)} ${SIZES[step]}`;
}

export const number = (value) => value.toLocaleString("en");

export const pageRange = ({ page, last_page: last }) => (last > page ? `${page}-${last}` : String(page));

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

// What went wrong and the way out, for every view.
export function problem(error, again) {
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("strong", {}, error.title ?? "That did not work."),
    h("p", {}, error.message),
    error.remedy ? h("p", { class: "remedy" }, error.remedy) : null,
    again ? button("Try again", again) : null,
  );
}

// A view without anything to show, and the way on.
export function nothingYet(title, text) {
  return [h("h1", {}, title), h("div", { class: "idle" }, h("p", { class: "lead" }, text), h("p", {}, link("Add files", "/?show=add", { class: "primary button" })))];
}

export function skeleton(rows = 3) {
  return h(
    "div",
    { class: "skeleton", "aria-hidden": "true" },
    Array.from({ length: rows }, () => h("div", {}, h("i"), h("i"), h("i"))),
  );
}

// A second press on the same place confirms; it is taken back after a moment.
export function confirmed(control, label, action, trouble) {
  if (control.dataset.sure) {
    control.disabled = true;
    action().catch((error) => {
      control.disabled = false;
      fill(trouble, problem(error));
    });
    return;
  }
  const before = control.textContent;
  control.dataset.sure = "yes";
  control.textContent = `${label}?`;
  control.classList.add("danger");
  setTimeout(() => {
    delete control.dataset.sure;
    control.classList.remove("danger");
    if (control.isConnected && !control.disabled) control.textContent = before;
  }, 4000);
}
