// One document: its text as it was read, in bands of passages, beside the original.

import { get, part, post, send } from "./api.js";
import { button, bytes, fill, h, link, marked, plural, problem, skeleton } from "./dom.js";

const PAGES_AHEAD = "800px";
const WIDTH = 1000;

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

const overlap = (one, other) => one.start < other.end && other.start < one.end;

class DocumentView {
  constructor(main, asked, signal) {
    Object.assign(this, asked, { main, signal });
  }

  draw() {
    const { file } = this;
    const back = `/?${new URLSearchParams(Object.entries({ c: this.collection, q: this.query }).filter(([, value]) => value))}`;
    document.title = `${file.file} · Bindery`;
    this.bands = file.passages.map((passage, place) => this.band(passage, place));
    this.text = h("div", { class: "bands", tabindex: "0", "aria-label": "The text as it was read", role: "region", lang: file.language || null,
      onkeydown: (event) => this.press(event) }, this.bands);
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

  band(passage, place) {
    const former = this.file.passages[place - 1];
    const isHit = this.span && overlap(passage, this.span);
    const margin = [
      passage.page && passage.page !== former?.page ? h("span", {}, `p. ${passage.page}`) : null,
      h("span", { class: "tokens", title: "tokens of this passage" }, String(passage.tokens)),
    ];
    return h("section", {
      class: `band ${place % 2 ? "odd" : "even"}${isHit ? " is-hit" : ""}`, "data-place": String(place),
      title: passage.headings.join(" › ") || null, "aria-label": isHit ? "The passage that was found" : null,
      onclick: () => this.choose(passage, place),
    }, h("aside", {}, margin), h("div", { class: "words", dir: "auto" }, this.words(passage, [])));
  }

  // The passage with its words marked; only the part beyond the former passage, if they overlap.
  words(passage, marks) {
    const inside = this.span && overlap(passage, this.span) && (this.span.start > passage.start || this.span.end < passage.end);
    const whole = inside ? [{ start: Math.max(this.span.start, passage.start), end: Math.min(this.span.end, passage.end) }] : [];
    return marked(passage.text, marks.length ? marks : whole, passage.start);
  }

  place() {
    const hit = this.text.querySelector(".is-hit");
    if (!hit) return;
    this.scrollTo(hit);
    this.page = this.file.passages[Number(hit.dataset.place)].page;
  }

  // The other passages of this file that answer the question, and the words in them.
  async markWords() {
    try {
      const answer = await post(`/collections/${part(this.collection)}/search`,
        { query: this.query, top: 50, passage: "chunk", filter: { type: "eq", key: "file", value: this.file.file } },
        { signal: this.signal });
      answer.hits.forEach((hit, rank) => this.markHit(hit, rank));
      this.place();
    } catch (error) {
      if (error.name !== "AbortError") this.main.append(problem(error));
    }
  }

  markHit(hit, rank) {
    const place = this.file.passages.findIndex((one) => one.start === hit.start && one.end === hit.end);
    if (place < 0) return;
    const marks = hit.marks.map(({ start, end }) => ({ start: start + hit.start, end: end + hit.start }));
    const band = this.bands[place];
    fill(band.querySelector(".words"), this.words(this.file.passages[place], marks));
    if (rank < 10) band.querySelector("aside").append(h("span", { class: "rank", title: "its place among the passages of this file" }, `#${rank + 1}`));
  }

  // n and p go through the passages that answer the question, in the order of the document.
  press({ key }) {
    const step = { n: 1, p: -1 }[key];
    const found = this.bands.map((one, place) => (one.querySelector(".rank") ? place : -1)).filter((place) => place >= 0);
    if (!step || !found.length) return;
    const at = this.chosen ?? -1;
    const place = step > 0 ? (found.find((one) => one > at) ?? found[0]) : (found.findLast((one) => one < at) ?? found.at(-1));
    this.scrollTo(this.bands[place]);
    this.choose(this.file.passages[place], place);
  }

  scrollTo(band) {
    // Heights of passages out of view are estimated until they have been shown.
    const scroll = () => {
      this.text.scrollTop = band.offsetTop - Math.max(0, this.text.clientHeight - band.offsetHeight) / 3;
    };
    scroll();
    requestAnimationFrame(() => requestAnimationFrame(scroll));
  }

  choose(passage, place) {
    this.showPage(passage.page);
    if (!this.query || getSelection().toString()) return;
    this.chosen = place;
    this.bands.forEach((one, at) => one.classList.toggle("chosen", at === place));
    this.explain(passage);
  }

  async explain(passage) {
    this.asked?.abort();
    this.asked = new AbortController();
    this.signal.addEventListener("abort", () => this.asked.abort());
    this.reason.hidden = false;
    fill(this.reason, h("p", { class: "note" }, "Looking for this passage among all ..."));
    try {
      const { why } = await import("./why.js");
      const { collection, file, query } = this;
      const found = await why({ collection, file, query, passage, signal: this.asked.signal });
      fill(this.reason, found);
    } catch (error) {
      if (error.name !== "AbortError") fill(this.reason, problem(error));
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
    this.sheets = Array.from({ length: this.file.pages ?? 1 }, (_, index) =>
      h("figure", { class: "sheet", "data-page": String(index + 1) }, h("figcaption", {}, `${index + 1}`)));
    fill(this.beside, this.sheets);
    const near = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        this.drawSheet(target);
      }
    }, { root: this.beside, rootMargin: PAGES_AHEAD });
    this.sheets.forEach((sheet) => near.observe(sheet));
    this.signal.addEventListener("abort", () => near.disconnect());
    requestAnimationFrame(() => this.showPage(this.page, "instant"));
  }

  async drawSheet(sheet) {
    const { page } = sheet.dataset;
    try {
      const response = await send("GET", `${this.base}/pages/${page}?width=${WIDTH}`, { signal: this.signal });
      const address = URL.createObjectURL(await response.blob());
      const picture = h("img", { alt: `Page ${page} of the original`, onload: () => URL.revokeObjectURL(address) });
      picture.src = address;
      sheet.append(picture);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.status === 403 || error.status === 404) fill(this.beside, problem(error));
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
