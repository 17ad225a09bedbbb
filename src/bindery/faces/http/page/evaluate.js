// Settings compared on questions whose answers are known: start, follow, and read the results.

import { get, part, post, remove } from "./api.js";
import { questionsIn, questionsOf, written } from "./questions.js";
import { button, confirmed, fill, h, nothingYet, number, plural, problem, skeleton } from "./dom.js";

const EVERY_MS = 1000;
const MODES = ["hybrid", "dense", "lexical", "rrf", "late"];
const STRATEGIES = ["recursive", "sentence", "fixed", "markdown", "page", "parent-child"];
const SOURCES = [
  ["", "my questions, below"], ["marks", "passages that were marked right"], ["headings", "headings, for the text below them"],
  ["titles", "titles, for their files"], ["pairs", "questions and answers in the text"], ["docstrings", "docstrings, for their code"],
  ["sentences", "sentences without their rarest words"],
];
const LISTS = [
  ["sizes", "Sizes of chunks, in tokens", "64, 128, 256", Number],
  ["dimensions", "Dimensions", "384, 128", Number],
  ["models", "Models", "vanilla", String],
];

export function showEvaluate(main, frame) {
  const view = new EvaluateView(main, frame);
  view.draw();
  return () => view.left.abort();
}

class EvaluateView {
  constructor(main, { collections, parameters, remember, go }) {
    const known = collections.filter((one) => one.files);
    Object.assign(this, { main, known, remember, go, left: new AbortController() });
    this.collection = known.find((one) => one.name === parameters().get("c")) ?? known[0];
    this.opened = parameters().get("e");
    this.rows = null;
  }

  get base() {
    return `/collections/${part(this.collection.name)}/evaluations`;
  }

  draw() {
    this.main.className = "evaluate";
    const title = h("h1", {}, "Evaluate");
    if (!this.collection) {
      return fill(this.main, nothingYet("Evaluate", "There is no collection to ask yet"));
    }
    this.list = h("div", {}, skeleton(1));
    this.result = h("div", { role: "status" });
    fill(this.main, title,
      h("p", { class: "note" }, "Which settings find the answers to your questions best? The collection itself does not change."),
      this.known.length > 1 ? h("p", {}, h("select", { "aria-label": "Collection", onchange: (event) => this.go(`/?${new URLSearchParams({ show: "evaluate", c: event.target.value })}`) },
        this.known.map((one) => h("option", { value: one.name, selected: one === this.collection }, one.name)))) : null,
      this.form(), this.list, this.result);
    this.look();
  }

  form() {
    this.box = h("textarea", { id: "questions", rows: 6, dir: "auto", spellcheck: false, oninput: () => { this.rows = null; },
      placeholder: "Who signs contracts? => signed by the board\nHow is glue made? => file: glue.md" });
    this.source = h("select", { id: "source", onchange: () => { this.box.disabled = Boolean(this.source.value); } }, SOURCES.map(([value, label]) => h("option", { value }, label)));
    this.trouble = h("div");
    const file = h("input", { type: "file", accept: ".csv,.tsv,.jsonl", class: "hidden-text", tabindex: "-1", "aria-label": "A file of questions", onchange: (event) => this.read(event.target.files[0]) });
    const checks = (name, values, chosen) => h("fieldset", {}, h("legend", {}, name), values.map((one) =>
      h("label", {}, h("input", { type: "checkbox", name, value: one, checked: chosen.includes(one) }), one)));
    return h("form", { class: "card", onsubmit: (event) => { event.preventDefault(); this.start(new FormData(event.target)); } },
      h("p", { class: "row" }, h("label", { for: "source" }, "Questions from"), this.source),
      h("label", { for: "questions" }, "Questions, one a line, each with words of the passage that answers it, or its file"), this.box,
      h("p", { class: "row" }, button("From a file", () => file.click()), file, h("span", { class: "note" }, "CSV, TSV or JSON lines, as for bindery evaluate")),
      checks("modes", MODES, ["hybrid", "dense", "lexical"]), checks("strategies", STRATEGIES, []),
      h("div", { class: "row" }, LISTS.map(([name, label, example]) => h("label", { class: "field" }, label, h("input", { name, placeholder: example, autocomplete: "off" })))),
      h("p", { class: "row" }, h("button", { class: "primary" }, "Compare"), h("span", { class: "note" }, "Other chunks or models are made beside the collection, and deleted again.")),
      this.trouble);
  }

  async read(file) {
    if (!file) return;
    try {
      this.rows = questionsOf(file.name, await file.text());
      this.box.value = this.rows.map((one) => written({ quote: "", ...one })).join("\n");
      fill(this.trouble, h("p", { class: "note" }, `${plural(this.rows.length, "question")} of ${file.name}.`));
    } catch (error) {
      fill(this.trouble, problem({ message: `${file.name} cannot be read: ${error.message}.`, remedy: "Its first line must name the columns: question, and file, page, quote or id." }));
    }
  }

  async start(form) {
    const source = this.source.value;
    const questions = source ? [] : (this.rows ?? questionsIn(this.box.value));
    if (!source && !questions.length) return fill(this.trouble, h("p", { class: "bad", role: "alert" }, "Write at least one question with what answers it."));
    const split = (name, kind) => form.get(name).split(",").map((one) => one.trim()).filter(Boolean).map(kind);
    const body = { ...(source ? { source } : { questions }), modes: form.getAll("modes"), strategies: form.getAll("strategies") };
    for (const [name, , , kind] of LISTS) body[name] = split(name, kind);
    try {
      const started = await post(this.base, body);
      fill(this.trouble);
      this.open(started.evaluation_id);
    } catch (error) {
      fill(this.trouble, problem(error));
    }
  }

  open(id) {
    this.opened = id;
    this.remember({ e: id });
    fill(this.result);
    this.look();
  }

  async look() {
    clearTimeout(this.timer);
    const { signal } = this.left;
    try {
      const { evaluations } = await get(this.base, { signal });
      this.showList(evaluations);
      const run = this.opened && evaluations.find((one) => one.evaluation_id === this.opened);
      if (run) await this.showRun(run);
      const isOpen = evaluations.some((one) => one.state === "queued" || one.state === "running");
      if (isOpen && !signal.aborted) this.timer = setTimeout(() => this.look(), EVERY_MS);
    } catch (error) {
      if (error.name !== "AbortError") fill(this.list, problem(error, () => this.look()));
    }
  }

  showList(evaluations) {
    const text = JSON.stringify([evaluations, this.opened]);
    if (text === this.last) return;
    this.last = text;
    const trouble = h("div");
    fill(this.list, evaluations.length ? h("h2", {}, "Evaluations") : null, trouble, evaluations.map((one) => h("div", { class: "holding" },
      button(`${plural(one.questions, "question")}, ${told(one.options)}`, () => this.open(one.evaluation_id), { class: "plain", "aria-current": one.evaluation_id === this.opened ? "true" : null }),
      h("span", { class: "note" }, `${one.state} · ${new Date(one.created_at).toLocaleString()}`),
      button("Delete", (event) => confirmed(event.currentTarget, "Delete it", async () => {
        await remove(`${this.base}/${part(one.evaluation_id)}`);
        if (this.opened === one.evaluation_id) this.open("");
        else this.look();
      }, trouble), { class: "plain" }))));
  }

  async showRun({ evaluation_id: id, state, progress, error }) {
    if (error) return fill(this.result, problem(error));
    if (state !== "done") {
      return fill(this.result, h("p", { class: "row" }, h("progress", { max: progress.total || 1, value: progress.done, "aria-label": "Questions asked" }),
        h("span", {}, `${progress.doing || "waiting"}: ${number(progress.done)} of ${number(progress.total)}`)));
    }
    if (this.result.dataset.shown === id && this.result.hasChildNodes()) return;
    const [{ result }, { comparison }] = await Promise.all([get(`${this.base}/${part(id)}`, { signal: this.left.signal }), import("./comparison.js")]);
    this.result.dataset.shown = id;
    fill(this.result, comparison(result, this.collection.name));
  }
}

const told = (options) => ["modes", "models", "strategies", "sizes", "dimensions"].filter((one) => options[one].length)
  .map((one) => options[one].join(", ")).join(" · ");
