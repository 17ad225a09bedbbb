// Search: one box, passages, and why each is there.

import { part, post } from "./api.js";
import { Facets } from "./facets.js";
import { announce, button, fill, h, link, marked, number, pageRange, plural, problem, skeleton } from "./dom.js";
import { Judge } from "./judge.js";
import { Rows } from "./rows.js";

export const MODES = [
  ["hybrid", "Both", "words and meaning"],
  ["lexical", "Words", "BM25"],
  ["dense", "Meaning", "cosine"],
  ["late", "Late", "the best 50 of both, by their tokens (MaxSim)"],
];
const WAIT_MS = 140;
const PAGE = 10;
const [NEXT, MOST] = [50, 1000]; // each further page doubles the list
const HEIGHT_PX = 220;
const SCORES = { hybrid: "score", lexical: "BM25", dense: "cosine", late: "mean MaxSim" };
const SCORE_NAMES = { bm25: "BM25 (words)", cosine: "cosine (meaning)", late: "MaxSim (tokens)" };

export function showSearch(main, frame) {
  const view = new SearchView(main, frame);
  view.draw();
  return () => view.leave();
}

export const viewAddress = (collection, hit, query = "") =>
  `/view/${part(collection)}/${part(hit.file_id)}?span=${hit.start}-${hit.end}${query ? `&q=${part(query)}` : ""}`;

class SearchView {
  constructor(main, frame) {
    this.main = main;
    this.frame = frame;
    const asked = frame.parameters();
    const known = frame.collections.filter((one) => one.files > 0);
    const named = asked.get("c");
    const find = (name) => frame.collections.find((one) => one.name === name);
    this.collection = find(named) ?? known[0];
    this.missing = named && this.collection.name !== named ? named : "";
    this.query = asked.get("q") ?? "";
    this.mode = MODES.some(([id]) => id === asked.get("mode")) ? asked.get("mode") : "hybrid";
    this.chosenHit = asked.get("hit");
    this.facets = new Facets(this.collection, asked.getAll("f"), () => this.now());
    this.judge = new Judge(this.collection.name);
    this.judged = this.judge.load().catch(() => null); // hits are shown without marks then
    this.hits = [];
    this.active = -1;
    this.former = null;
    this.left = new AbortController();
    this.onKey = (event) => this.press(event);
    document.addEventListener("keydown", this.onKey);
  }

  leave() {
    this.left.abort();
    document.removeEventListener("keydown", this.onKey);
    clearTimeout(this.timer);
    this.running?.abort();
  }

  draw() {
    this.box = h("input", {
      id: "query", type: "search", name: "q", value: this.query, autocomplete: "off", spellcheck: false,
      placeholder: "Ask, or type words", "aria-label": "Search", dir: "auto", maxLength: 4000,
      oninput: () => this.soon(),
    });
    this.modes = h("div", { class: "modes", role: "group", "aria-label": "Rank by" }, MODES.map(([id, label, title]) =>
      button(label, () => this.setMode(id), { title, "data-mode": id, "aria-pressed": String(id === this.mode) })));
    this.facts = h("p", { class: "facts" });
    this.flow = h("div");
    this.order = h("details", { class: "order blank", ontoggle: () => this.drawFlow() }, h("summary", {}, "Why this order"), this.flow);
    this.list = h("div", { class: "hits", role: "region", "aria-label": "Passages" });
    this.rows = new Rows(this.list, { make: (hit, place) => this.card(hit, place), height: () => HEIGHT_PX, tag: "ol", root: null, signal: this.left.signal });
    this.told = h("div");
    this.more = h("div", { class: "center" });
    this.end = new IntersectionObserver(([entry]) => entry.isIntersecting && this.next(), { rootMargin: "600px" });
    this.left.signal.addEventListener("abort", () => this.end.disconnect());
    const { collections } = this.frame;
    this.main.className = "search";
    fill(this.main,
      h("h1", { class: "hidden-text" }, `Search ${this.collection.name}`),
      h("form", { role: "search", class: "ask", onsubmit: (event) => { event.preventDefault(); this.now(true); } },
        this.box, h("kbd", { "aria-hidden": "true" }, "/")),
      h("div", { class: "row tools" },
        collections.length > 1 ? this.picker(collections) : h("span", { class: "note" }, this.collection.name),
        this.modes, h("span", { class: "grow" }), this.facts),
      this.facets.element,
      this.missing ? h("p", { class: "warning" }, `There is no collection ${this.missing}. This is ${this.collection.name}.`) : null,
      this.collection.warnings.map((text) => h("p", { class: "warning" }, text)),
      this.order, this.told, this.list, this.more);
    this.box.focus({ preventScroll: true });
    if (this.query) this.now();
    else this.idle();
    this.facets.load().catch(() => null); // without chips the search works, and shows its own error
  }

  picker(collections) {
    return h("select", {
      "aria-label": "Collection",
      onchange: (event) => this.frame.go(`/?${new URLSearchParams({ c: event.target.value, q: this.box.value })}`),
    }, collections.map((one) => h("option", { value: one.name, selected: one.name === this.collection.name }, one.name)));
  }

  idle() {
    const { files, chunks, model, languages } = this.collection;
    this.instead(h("div", { class: "idle" },
      h("p", { class: "lead" }, `${plural(files, "file")}, ${plural(chunks, "passage")}`),
      h("p", { class: "note" }, [model, languages.join(", ")].filter(Boolean).join(" · ")),
      files ? h("p", { class: "note keys" }, h("kbd", {}, "/"), " search ", h("kbd", {}, "↓"), h("kbd", {}, "↑"),
        " move ", h("kbd", {}, "Enter"), " open ", h("kbd", {}, "Esc"), " back to the box")
        : h("p", {}, link("Add files", `/?show=add`))));
  }

  // What is shown in place of passages.
  instead(...nodes) {
    this.order.classList.add("blank");
    this.hits = [];
    this.rows.clear();
    for (const one of [this.facts, this.told, this.more]) fill(one);
    fill(this.list, nodes);
  }

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), WAIT_MS);
  }

  setMode(mode) {
    if (mode === this.mode) return;
    this.former = this.hits.length ? { mode: this.mode, ids: this.hits.map((hit) => hit.id) } : null;
    this.mode = mode;
    for (const one of this.modes.children) one.setAttribute("aria-pressed", String(one.dataset.mode === mode));
    this.now(false, true);
  }

  get address() {
    return `/collections/${part(this.collection.name)}/search`;
  }

  body(more) {
    const mode = this.mode === "late" ? "hybrid" : this.mode;
    return { query: this.box.value, mode, top: PAGE, filter: this.facets.filter(), ...more };
  }

  async now(isSubmit = false, keepsFormer = false) {
    clearTimeout(this.timer);
    this.running?.abort();
    const running = (this.running = new AbortController());
    if (!keepsFormer) this.former = null;
    const query = this.box.value.trim();
    const hit = query === this.query ? this.chosenHit : null;
    this.query = query;
    const collection = this.frame.collections.length > 1 ? this.collection.name : "";
    this.frame.remember({ q: query, mode: this.mode === "hybrid" ? "" : this.mode, c: collection, hit, f: [...this.facets.chosen] }, { replace: !isSubmit });
    document.title = query ? `${query} · Bindery` : "Bindery";
    if (!query) return this.idle();
    const slow = setTimeout(() => this.hits.length || this.instead(skeleton()), 200);
    this.list.setAttribute("aria-busy", "true");
    try {
      const [answer] = await Promise.all([this.answered(running.signal), this.judged]);
      clearTimeout(slow);
      this.show(answer);
      if (isSubmit && this.hits.length) this.select(0, false);
    } catch (error) {
      clearTimeout(slow);
      if (error.name === "AbortError") return;
      this.instead(problem(error, () => this.now()));
    } finally {
      if (this.running === running) this.list.removeAttribute("aria-busy");
    }
  }

  async answered(signal) {
    if (this.mode !== "late") return post(this.address, this.body(), { signal });
    const { late } = await import("./late.js");
    return late(this.address, this.body(), this.collection.model, signal);
  }

  show(answer) {
    this.answer = answer;
    this.explained = null;
    this.hits = [];
    this.active = -1;
    this.rows.clear();
    this.append(answer);
    const ms = answer.stages.reduce((sum, stage) => sum + stage.milliseconds, 0);
    fill(this.facts,
      h("span", { title: answer.stages.map((one) => `${one.name}: ${one.candidates} in ${one.milliseconds.toFixed(2)} ms`).join("\n") },
        `${number(answer.searched)} passages in ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`),
      answer.is_exact ? null : h("span", { title: "A first pass over short codes chose the candidates." }, " · approximate"),
      this.changes());
    if (!this.hits.length) this.instead(this.nothing());
    fill(this.told, [...answer.warnings, ...answer.failures.map((one) => one.message)].map((text) => h("p", { class: "warning" }, text)));
    this.order.classList.toggle("blank", !this.hits.length);
    this.drawFlow();
    announce(plural(this.hits.length, "passage"));
    const linked = this.hits.findIndex((hit) => hit.id === this.chosenHit);
    if (linked >= 0) this.select(linked);
  }

  async drawFlow() {
    if (!this.order.open || !this.answer) return;
    const [{ showFlow }, { whyForm }] = await Promise.all([import("./flow.js"), import("./why.js")]);
    showFlow(this.flow, this.answer, this.hits, (place) => this.select(place));
    const { top: _, ...asked } = this.body({ query: this.query });
    this.flow.append(whyForm(this.collection.name, () => asked));
  }

  nothing() {
    const other = /".+"/.test(this.query) ? "Words in double quotes must be in a passage exactly as written."
      : this.mode === "lexical" ? "Meaning finds passages without these words." : "Try other words, or fewer.";
    const narrow = this.facets.chosen.size ? button("Search without filters", () => this.facets.clear()) : null;
    return h("div", { class: "idle" }, h("p", { class: "lead" }, "Nothing found"), h("p", { class: "note" }, other), narrow);
  }

  append(answer) {
    this.explained = null;
    this.cursor = answer.next_cursor;
    this.hits.push(...answer.hits);
    this.rows.add(answer.hits);
    this.end.disconnect();
    fill(this.more, this.cursor ? button("More passages", () => this.next()) : null);
    if (this.cursor && this.hits.length > PAGE) this.end.observe(this.more);
  }

  // The first further page is asked for by the button, the others when the end comes near.
  async next() {
    const { cursor, running } = this;
    if (!cursor) return;
    this.cursor = null;
    this.more.setAttribute("aria-busy", "true");
    try {
      const top = Math.min(MOST, Math.max(NEXT, this.hits.length));
      const answer = await post(this.address, this.body({ query: this.query, cursor, top }), { signal: running.signal });
      this.append(answer);
      announce(`${plural(this.hits.length, "passage")} shown.`);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.cursor = cursor;
      fill(this.more, problem(error, () => this.next()));
    } finally {
      this.more.removeAttribute("aria-busy");
    }
  }

  // What the other mode has found differently.
  changes() {
    if (!this.former) return null;
    const fresh = this.hits.filter((hit) => !this.former.ids.includes(hit.id)).length;
    const label = MODES.find(([id]) => id === this.former.mode)[1];
    return h("span", {}, ` · ${fresh ? `${fresh} new` : "the same passages"} against ${label}`);
  }

  moved(hit, place) {
    if (!this.former) return null;
    const was = this.former.ids.indexOf(hit.id);
    if (was === place) return null;
    const text = was < 0 ? "new" : was > place ? `▲ ${was - place}` : `▼ ${place - was}`;
    const said = was < 0 ? "new in this mode" : `was at place ${was + 1}`;
    return h("span", { class: "moved", title: said }, text);
  }

  card(hit, place) {
    const address = viewAddress(this.collection.name, hit, this.query);
    const headings = hit.headings.map((text, n) => h("span", { dir: "auto" }, marked(text, hit.heading_marks[n])));
    const text = h("p", { class: "text", dir: "auto", lang: hit.language || null }, excerpt(hit));
    return h("li", { class: `hit${place === this.active ? " active" : ""}`, "data-place": String(place), onclick: (event) => event.target.closest("a, button, summary") || this.select(place, false) },
      h("div", { class: "where" },
        link(h("span", { dir: "auto" }, marked(hit.file, hit.file_marks)), address, { class: "file" }),
        hit.page ? h("span", {}, `page ${pageRange(hit)}`) : null,
        this.moved(hit, place),
        h("span", { class: "grow" }),
        this.judge.buttons(this.query, hit),
        h("span", { class: "score", title: SCORES[this.mode] ?? "score" }, hit.score.toFixed(3))),
      headings.length ? h("div", { class: "headings" }, headings) : null,
      text,
      h("details", { class: "why", ontoggle: (event) => event.target.open && this.explain(place, event.target, text) }, h("summary", {}, "Scores"), scores(hit),
        button("Compare tokens", (event) => this.compare(hit, event.currentTarget, text), { class: "plain" })));
  }

  // The words behind BM25 are asked for once, when the first scores are opened.
  async explain(place, element, text) {
    if (this.mode === "dense" || element.querySelector(".shares, .problem")) return;
    try {
      this.explained ??= post(this.address, this.body({ query: this.query, top: Math.min(MOST, this.hits.length), explain: true }));
      const [answer, { shares }] = await Promise.all([this.explained, import("./shares.js")]);
      const found = answer.hits.find((one) => one.id === this.hits[place]?.id);
      if (found && element.isConnected && !element.querySelector(".shares")) element.append(shares(found, text));
    } catch (error) {
      this.explained = null;
      element.append(problem(error));
    }
  }

  // How the tokens of the question match those of a hit, shown in its text.
  async compare(hit, control, text) {
    control.disabled = true;
    try {
      const { compareTokens, tokenView } = await import("./tokens.js");
      const matrix = await compareTokens(this.collection.name, hit.file_id, this.query, hit, this.running.signal);
      control.replaceWith(tokenView(matrix, hit.text, text));
    } catch (error) {
      control.disabled = false;
      if (error.name !== "AbortError") control.after(problem(error));
    }
  }

  select(place, scrolls = true) {
    const former = this.list.querySelector(".hit.active");
    former?.classList.remove("active");
    former?.removeAttribute("aria-current");
    this.active = Math.max(-1, Math.min(place, this.hits.length - 1));
    const card = this.rows.at(this.active);
    if (!card) return this.box.focus();
    card.classList.add("active");
    card.setAttribute("aria-current", "true");
    card.querySelector(".file").focus({ preventScroll: true });
    if (scrolls) card.scrollIntoView({ block: "nearest" });
    this.chosenHit = this.hits[this.active].id;
    this.frame.remember({ hit: this.chosenHit });
  }

  press(event) {
    const isTyping = event.target.matches("input, select, textarea");
    if (event.key === "/" && !isTyping) this.box.select();
    else if (event.key === "Escape" && event.target !== this.box) this.box.select();
    else if (event.key === "ArrowDown" && this.hits.length && (!isTyping || event.target === this.box)) this.select(this.active + 1);
    else if (event.key === "ArrowUp" && this.active >= 0 && !isTyping) this.select(this.active - 1);
    else return;
    event.preventDefault();
  }
}

// Blank lines say little in a passage, and take the room of text.
function excerpt(hit) {
  return marked(hit.text, hit.marks).map((one) => (typeof one === "string" ? one.replace(/\n\s*\n/g, "\n") : one));
}

function scores(hit) {
  const row = (name, value) => [h("dt", {}, name), h("dd", {}, value)];
  const shown = (value) => (value === null || value === undefined ? "not used" : value.toFixed(3));
  return h("dl", {},
    Object.entries(hit.scores).flatMap(([name, value]) => row(SCORE_NAMES[name] ?? name, shown(value))),
    Object.entries(hit.ranks).flatMap(([name, value]) => row(`rank in ${name}`, value === null ? "not found" : String(value))),
    row("characters", `${number(hit.start)} to ${number(hit.end)}`));
}
