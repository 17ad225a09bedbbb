// One document: its text as it was read, in bands of passages, beside the original.

import { get, part, post, send } from "./api.js";
import { Bands, warningSign, warningsByPage } from "./bands.js";
import { button, bytes, fill, h, link, plural, problem, skeleton } from "./dom.js";

const PAGES_AHEAD = "800px";
const WIDTH = 1000;
const SETTLED_MS = 80; // pages that only rush past are not drawn

export async function showDocument(main, { parameters, again }) {
  const [, , collection, id] = location.pathname.split("/").map(decodeURIComponent);
  const base = `/collections/${part(collection)}/files/${part(id)}`;
  main.className = "document";
  fill(main, skeleton());
  const stop = new AbortController();
  try {
    const file = await get(`${base}/passages`, { signal: stop.signal });
    new DocumentView(main, { base, collection, file, query: parameters().get("q") ?? "", span: spanOf(parameters()) }, stop.signal).draw();
  } catch (error) {
    if (error.status === 401) throw error;
    if (error.name !== "AbortError") fill(main, problem(error, again), link("Back to the search", "/"));
  }
  return () => stop.abort();
}

function spanOf(parameters) {
  const found = /^(\d+)-(\d+)$/.exec(parameters.get("span") ?? "");
  return found ? { start: Number(found[1]), end: Number(found[2]) } : null;
}

class DocumentView {
  constructor(main, asked, signal) {
    Object.assign(this, asked, { main, signal });
  }

  draw() {
    const { file } = this;
    const back = `/?${new URLSearchParams(Object.entries({ c: this.collection, q: this.query }).filter(([, value]) => value))}`;
    document.title = `${file.file} · Bindery`;
    this.bands = new Bands(file, this.span, (passage, place) => this.choose(passage, place), this.signal);
    this.text = this.bands.element;
    if (file.language) this.text.lang = file.language;
    this.text.addEventListener("keydown", (event) => this.press(event));
    this.reason = h("div", { class: "reason", role: "status", hidden: !this.query }, h("p", { class: "note" }, "Choose a passage to see why it is, or is not, among the hits."));
    this.beside = h("div", { class: "original", "aria-label": "The original", role: "region", tabindex: "0" });
    const has = file.kind === "pdf" || file.kind === "html";
    if (!has) this.main.classList.add("narrow-text");
    fill(this.main,
      h("div", { class: "title" },
        link("← Search", back, { class: "quiet" }),
        h("h1", { dir: "auto" }, file.title || file.file),
        h("p", { class: "note" },
          [file.title ? file.file : null, file.kind, bytes(file.size_bytes), plural(file.passages.length, "passage"), file.pages ? plural(file.pages, "page") : null, file.language]
            .filter(Boolean).join(" · "), " · ",
          button("Download", () => this.download(), { class: "plain" }))),
      file.warnings.map((text) => h("p", { class: "warning" }, text)),
      has ? this.switcher() : null,
      h("div", { class: has ? "panes" : "panes single", "data-shown": "text" }, h("div", { class: "reading" }, this.text, this.reason), has ? this.beside : null));
    if (has) this.showOriginal();
    this.place();
    if (this.query) this.markWords();
  }

  switcher() {
    const show = (name) => {
      this.main.querySelector(".panes").dataset.shown = name;
      for (const one of group.children) one.setAttribute("aria-pressed", String(one.dataset.pane === name));
    };
    const group = h("div", { class: "modes panes-switch", role: "group", "aria-label": "Show" },
      [["text", "Text"], ["original", "Original"]].map(([id, label]) =>
        button(label, () => show(id), { "data-pane": id, "aria-pressed": String(id === "text") })));
    return group;
  }

  place() {
    const { hit } = this.bands;
    if (hit < 0) return;
    this.bands.scrollTo(hit);
    this.page = this.file.passages[hit].page;
  }

  // The other passages of this file that answer the question, and the words in them.
  async markWords() {
    try {
      const answer = await post(`/collections/${part(this.collection)}/search`,
        { query: this.query, top: 50, passage: "chunk", filter: { type: "eq", key: "file", value: this.file.file } },
        { signal: this.signal });
      answer.hits.forEach((hit, rank) => this.bands.mark(hit, rank));
      this.place();
    } catch (error) {
      if (error.name !== "AbortError") this.main.append(problem(error));
    }
  }

  // n and p go through the passages that answer the question, in the order of the document.
  press({ key }) {
    const step = { n: 1, p: -1 }[key];
    const place = step && this.bands.beside(step);
    if (place === undefined) return;
    this.bands.scrollTo(place);
    this.choose(this.file.passages[place], place);
  }

  choose(passage, place) {
    this.showPage(passage.page);
    if (!this.query || getSelection().toString()) return;
    if (place === this.bands.chosen) return;
    this.bands.select(place);
    this.explain(passage);
    if (this.weighs) this.weigh(passage, place);
  }

  async explain(passage) {
    this.asked?.abort();
    this.asked = new AbortController();
    this.signal.addEventListener("abort", () => this.asked.abort());
    this.why = h("div", {}, h("p", { class: "note" }, "Looking for this passage ..."));
    this.weights = h("div", {}, button("Weigh its tokens", () => this.weigh(passage, this.bands.chosen)));
    fill(this.reason, this.why, this.weights);
    try {
      const { why } = await import("./why.js");
      const { collection, file, query } = this;
      const found = await why(collection, { query, passage: "chunk" }, { file: file.file, quote: passage.text }, this.asked.signal);
      fill(this.why, found);
    } catch (error) {
      if (error.name !== "AbortError") fill(this.why, problem(error));
    }
  }

  // The tokens of a passage by how like the question they are; stays on for the next passage.
  async weigh(passage, place) {
    this.weighs = true;
    const { signal } = this.asked;
    try {
      const { compareTokens, tokenView } = await import("./tokens.js");
      const matrix = await compareTokens(this.collection, this.file.file_id, this.query, passage, signal);
      if (signal.aborted) return;
      fill(this.weights, tokenView(matrix, passage.text, this.bands.rows.at(place).querySelector(".words")));
    } catch (error) {
      if (error.name !== "AbortError") fill(this.weights, problem(error));
    }
  }

  async download() {
    try {
      const response = await send("GET", `${this.base}/original`, { signal: this.signal });
      const address = URL.createObjectURL(await response.blob());
      h("a", { href: address, download: this.file.file.split("/").pop() }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    } catch (error) {
      if (error.name !== "AbortError") this.main.querySelector(".title").append(problem(error));
    }
  }

  showOriginal() {
    if (this.file.kind === "html") this.showHtml();
    else this.showPages();
  }

  showPages() {
    this.near = new IntersectionObserver((entries) => entries.forEach(({ isIntersecting, target }) => {
      clearTimeout(target.soon);
      if (isIntersecting) target.soon = setTimeout(() => this.drawSheet(target), SETTLED_MS);
      else leaveSheet(target);
    }), { root: this.beside, rootMargin: PAGES_AHEAD });
    this.signal.addEventListener("abort", () => this.near.disconnect());
    this.sheets = [];
    this.warned = warningsByPage(this.file.warnings);
    for (let page = 1; page <= (this.file.pages ?? 1); page += 1) this.addSheet(page);
    requestAnimationFrame(() => this.showPage(this.page, "instant"));
  }

  addSheet(page) {
    const sheet = h("figure", { class: "sheet", "data-page": String(page) }, h("figcaption", {}, this.warned.has(page) ? warningSign(this.warned.get(page)) : null, `${page}`));
    this.sheets.push(sheet);
    this.beside.append(sheet);
    this.near.observe(sheet);
  }

  async drawSheet(sheet) {
    const page = Number(sheet.dataset.page);
    if (sheet.querySelector("img")) return;
    try {
      const response = await send("GET", `${this.base}/pages/${page}?width=${WIDTH}`, { signal: this.signal });
      const address = URL.createObjectURL(await response.blob());
      const picture = h("img", { alt: `Page ${page} of the original`, onload: () => URL.revokeObjectURL(address) });
      picture.src = address;
      sheet.querySelector("img")?.remove();
      sheet.append(picture);
      // `pages` is the last one where a passage begins; more may follow.
      if (page === this.sheets.length && page >= (this.file.pages ?? 1)) this.addSheet(page + 1);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (page > (this.file.pages ?? 1)) sheet.remove();
      else if (error.status === 403 || error.status === 404) fill(this.beside, problem(error));
      else sheet.append(problem(error, () => { sheet.querySelector(".problem").remove(); this.drawSheet(sheet); }));
    }
  }

  showPage(page, behavior = "smooth") {
    const sheet = this.sheets?.[page - 1];
    if (sheet) this.beside.scrollTo({ top: sheet.offsetTop - 8, behavior });
    this.sheets?.forEach((one) => one.classList.toggle("current", one === sheet));
  }

  async showHtml() {
    try {
      const response = await send("GET", `${this.base}/original`, { signal: this.signal });
      const { inert } = await import("./inert.js");
      fill(this.beside, h("iframe", { sandbox: "", title: "The original, without scripts, styles and pictures of other sites",
        referrerpolicy: "no-referrer", srcdoc: inert(await response.arrayBuffer()) }));
    } catch (error) {
      if (error.name !== "AbortError") fill(this.beside, problem(error));
    }
  }
}

// The picture of a page that is out of view is dropped, and its room is kept.
function leaveSheet(sheet) {
  const picture = sheet.querySelector("img");
  if (!picture?.naturalWidth) return;
  sheet.style.aspectRatio = `${picture.naturalWidth} / ${picture.naturalHeight}`;
  picture.remove();
}
