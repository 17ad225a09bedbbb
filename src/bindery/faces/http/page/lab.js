// Chunking lab: one document cut in two ways, side by side.

import { get, part } from "./api.js";
import { fill, h, nothingYet, number, pageRange, plural, problem, skeleton, slicer } from "./dom.js";
import { questionsIn } from "./questions.js";
import { recallOf, shownRecall, suggested } from "./recall.js";
import { Rows } from "./rows.js";

const STRATEGIES = ["recursive", "sentence", "fixed", "markdown", "page", "parent-child", "code", "semantic"];
const DEFAULTS = [{ strategy: "recursive", size: "128", overlap: "0" }, { strategy: "sentence", size: "256", overlap: "0" }];

export async function showLab(main, { collections, parameters, remember }) {
  main.className = "lab";
  fill(main, h("h1", {}, "Chunking lab"), skeleton(1));
  const { files } = await get("/files");
  if (!files.length) {
    const why = collections.length ? "Only uploaded files can be cut here, and there are none: those of this machine are read where they lie" : "There are no files yet";
    return void fill(main, nothingYet("Chunking lab", why));
  }
  const asked = parameters();
  const known = files.some((one) => one.file_id === asked.get("file"));
  const choice = h("select", { id: "lab-file", onchange: () => sides.forEach((one) => one.cut()) },
    [...files].reverse().map((one) => h("option", { value: one.file_id, selected: known && one.file_id === asked.get("file") }, one.filename)));
  const sides = DEFAULTS.map((defaults, place) => new Side(place, choice, read(asked.get("ab"[place]), defaults), () => {
    remember({ file: choice.value, a: sides[0].text(), b: sides[1].text() });
  }));
  fill(main,
    h("h1", {}, "Chunking lab"),
    h("p", { class: "row" }, h("label", { for: "lab-file" }, "Document"), choice),
    questions(sides),
    h("div", { class: "sides" }, sides.map((one) => one.element)));
  sides.forEach((one) => one.cut());
  return () => sides.forEach((one) => one.leave());
}

// Questions with their answers, by which the two ways are compared.
function questions(sides) {
  const box = h("textarea", { id: "lab-questions", rows: 5, dir: "auto", spellcheck: false });
  const suggest = () => { box.value = suggested(sides[0].found?.chunks ?? []); };
  return h("details", { class: "questions", ontoggle: (event) => event.target.open && !box.value && suggest() },
    h("summary", {}, "Recall on questions"),
    h("label", { for: "lab-questions" }, "A question and words of the document that answer it, one pair a line: question => answer"), box,
    h("p", { class: "row" },
      h("button", { type: "button", class: "primary", onclick: () => sides.forEach((one) => one.ask(questionsIn(box.value))) }, "Compare"),
      h("button", { type: "button", onclick: suggest }, "Suggest from the headings")));
}

function read(text, defaults) {
  const [strategy, size, overlap] = (text ?? "").split("-").map((one, place) => (place ? one : one.replace("parent_child", "parent-child")));
  return STRATEGIES.includes(strategy) ? { strategy, size, overlap: overlap ?? "0" } : defaults;
}

class Side {
  constructor(place, choice, options, changed) {
    this.choice = choice;
    this.changed = changed;
    const label = "AB"[place];
    const cut = () => this.cut();
    this.strategy = h("select", { "aria-label": `Strategy ${label}`, onchange: cut },
      STRATEGIES.map((one) => h("option", { value: one, selected: one === options.strategy }, one)));
    this.size = h("input", { type: "number", min: "8", max: "8192", value: options.size, "aria-label": `Size ${label}, in tokens`, onchange: cut });
    this.overlap = h("input", { type: "number", min: "0", max: "4096", value: options.overlap, "aria-label": `Overlap ${label}, in tokens`, onchange: cut });
    this.facts = h("p", { class: "facts", role: "status" });
    this.bands = h("div", { class: "bands", tabindex: "0", role: "region", "aria-label": `Chunks ${label}` });
    this.left = new AbortController();
    this.chunks = h("div");
    this.rows = new Rows(this.chunks, { make: band, height, root: this.bands, signal: this.left.signal });
    this.recall = h("div", { role: "status" });
    this.element = h("section", { "aria-label": `Cut ${label}` },
      h("div", { class: "row" }, this.strategy, h("span", { class: "note" }, "size"), this.size, h("span", { class: "note" }, "overlap"), this.overlap),
      this.facts, this.recall, this.bands);
  }

  leave() {
    this.running?.abort();
    this.left.abort();
  }

  text() {
    return [this.strategy.value.replace("parent-child", "parent_child"), this.size.value, this.overlap.value].join("-");
  }

  async cut() {
    this.running?.abort();
    this.running = new AbortController();
    this.changed();
    const query = new URLSearchParams({ size: this.size.value, overlap: this.overlap.value });
    try {
      const address = `/chunk/${part(this.strategy.value)}/file/${part(this.choice.value)}?${query}`;
      this.show(await get(address, { signal: this.running.signal }));
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(this.facts);
      fill(this.bands, problem(error));
    }
  }

  async ask(asked) {
    if (!asked.length) return fill(this.recall, h("p", { class: "note" }, "Write at least one question with its answer."));
    fill(this.recall, h("p", { class: "note" }, "Embedding the chunks ..."));
    try {
      const { chunks, model } = this.found;
      fill(this.recall, shownRecall(await recallOf(chunks, asked, model, this.running.signal)));
    } catch (error) {
      if (error.name !== "AbortError") fill(this.recall, problem(error));
    }
  }

  show(found) {
    this.found = found;
    fill(this.recall);
    const { chunks, total_chunks: total, warnings, model } = found;
    const tokens = chunks.map((one) => one.tokens);
    const cut = chunks.filter((one) => one.tokens_cut);
    const mean = tokens.reduce((sum, one) => sum + one, 0) / (tokens.length || 1);
    fill(this.facts, `${plural(total, "chunk")}, ${Math.round(mean)} tokens on average, ${number(Math.max(0, ...tokens))} at most. `,
      cut.length ? h("span", { class: "bad" }, `${model} would cut off ${number(cut.reduce((sum, one) => sum + one.tokens_cut, 0))} tokens in ${plural(cut.length, "chunk")}.`)
        : `${model} reads all of it.`);
    fill(this.bands, warnings.map((text) => h("p", { class: "warning" }, text)), this.chunks);
    this.rows.clear();
    this.rows.add(chunks);
  }
}

const height = ({ text }) => 26 * (1 + Math.ceil(text.length / 60));

function band(chunk, place) {
  const slice = slicer(chunk.text);
  const at = chunk.cut_at === null ? null : Math.max(0, chunk.cut_at - chunk.start);
  const words = at === null ? chunk.text : [slice(0, at), h("del", { title: "beyond the window of the model" }, slice(at, undefined))];
  return h("section", { class: `band ${place % 2 ? "odd" : "even"}` },
    h("aside", {}, h("span", {}, String(chunk.tokens)), chunk.page ? h("span", {}, `p. ${pageRange(chunk)}`) : null),
    h("div", { class: "words", dir: "auto" }, chunk.context ? h("span", { class: "context" }, chunk.context) : null, words));
}
