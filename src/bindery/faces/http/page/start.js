// Add files: drop them, watch them being read, ask.

import { ApiError, follow, get, part, post, send, upload } from "./api.js";
import { announce, button, bytes, fill, h, link, plural, problem } from "./dom.js";

const AT_ONCE = 3;
const PER_JOB = 20;
const LEFT_OUT = new Set(["node_modules", "__pycache__"]);
const SAMPLE = "/page/sample.md";
const STATES = {
  waiting: "waiting", uploading: "uploading", queued: "queued", running: "reading",
  done: "ready", failed: "not added", cancelled: "cancelled",
};

export function showStart(main, { collections }) {
  const stop = new AbortController();
  const isFirst = !collections.some((one) => one.files > 0);
  const board = new Board(stop.signal);
  const name = h("input", {
    id: "collection", value: collections[0]?.name ?? "default", list: "collections", maxLength: 100,
    autocomplete: "off", spellcheck: false,
  });
  const files = h("input", { type: "file", multiple: true, class: "hidden-text", tabindex: "-1", "aria-label": "Files to add" });
  const folder = h("input", { type: "file", webkitdirectory: true, class: "hidden-text", tabindex: "-1", "aria-label": "Folder to add" });
  const start = (list) => board.add(list, name.value.trim() || "default");
  for (const input of [files, folder]) {
    input.addEventListener("change", () => start([...input.files].map(named).filter(wanted)));
  }
  const zone = h(
    "div",
    { class: "drop" },
    h("p", { class: "lead" }, "Drop files or a folder here"),
    h("p", { class: "note" }, "PDF, Word, PowerPoint, Excel, HTML, Markdown, EPUB, mail, code and others"),
    h("p", { class: "row center" },
      button("Choose files", () => files.click(), { class: "primary" }),
      button("Choose a folder", () => folder.click()),
      isFirst ? button("Try with the sample", async () => start([await sample()])) : null),
    files, folder,
  );
  const undo = [
    listen("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); }),
    listen("dragleave", (event) => { if (!event.relatedTarget) zone.classList.remove("over"); }),
    listen("drop", async (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      start(await dropped(event.dataTransfer));
    }),
  ];
  main.className = "start";
  fill(
    main,
    h("h1", {}, isFirst ? "Make your documents searchable" : "Add files"),
    isFirst ? h("ol", { class: "steps" },
      h("li", {}, "Drop files"), h("li", {}, "Watch them being read"), h("li", {}, "Ask")) : null,
    zone,
    h("p", { class: "row note" }, h("label", { for: "collection" }, "Collection"), name,
      h("datalist", { id: "collections" }, collections.map((one) => h("option", { value: one.name }))),
      h("span", {}, "Everything stays on this machine.")),
    board.element,
  );
  return () => {
    stop.abort();
    undo.forEach((one) => one());
  };
}

function listen(kind, action) {
  document.addEventListener(kind, action);
  return () => document.removeEventListener(kind, action);
}

const named = (file) => ({ file, name: file.webkitRelativePath || file.name });

const wanted = ({ name }) =>
  !name.split("/").some((one) => one.startsWith(".") || LEFT_OUT.has(one));

async function sample() {
  const response = await send("GET", SAMPLE);
  return { file: new Blob([await response.arrayBuffer()]), name: "mending-books.md" };
}

// Hidden files are left out of folders; those that were dropped themselves were meant.
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map(named);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  const name = entry.fullPath.slice(1);
  if (entry.isFile) {
    const file = await new Promise((done, fail) => entry.file(done, fail));
    found.push({ file, name });
  } else if (wanted({ name })) {
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((done, fail) => reader.readEntries(done, fail));
      if (!some.length) break;
      for (const one of some) if (wanted({ name: one.fullPath.slice(1) })) await walk(one, found);
    }
  }
}

// The files that are being added, each with its state, warnings and errors.
class Board {
  constructor(signal) {
    this.signal = signal;
    this.rows = [];
    this.byId = new Map();
    this.list = h("ul", { class: "files" });
    this.summary = h("p", { class: "summary", role: "status" });
    this.trouble = h("div");
    this.element = h("section", { "aria-label": "Files", hidden: true }, this.trouble, this.summary, this.list);
  }

  async add(files, collection) {
    this.element.hidden = false;
    fill(this.trouble);
    if (!files.length) {
      fill(this.trouble, h("p", { class: "note" }, "There is no file to add in there. Hidden files are left out."));
      return;
    }
    const rows = files.map((one) => this.row(one));
    this.count(collection);
    try {
      await this.prepare(collection);
      for (let from = 0; from < rows.length; from += PER_JOB) {
        await this.batch(rows.slice(from, from + PER_JOB), collection);
      }
    } catch (error) {
      if (error.name !== "AbortError") fill(this.trouble, problem(error, () => this.retry(rows, collection)));
    }
    this.count(collection);
  }

  retry(rows, collection) {
    const left = rows.filter((row) => row.state !== "done");
    left.forEach((row) => row.element.remove());
    this.rows = this.rows.filter((row) => !left.includes(row));
    this.add(left, collection);
  }

  async prepare(collection) {
    const { collections } = await get("/collections");
    if (!collections.some((one) => one.name === collection)) await post("/collections", { name: collection });
  }

  async batch(rows, collection) {
    const waiting = [...rows];
    const next = async () => {
      for (let row = waiting.shift(); row; row = waiting.shift()) await this.send(row);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
    const kept = new Map();
    for (const row of rows.filter((one) => one.id)) {
      if (kept.has(row.id)) this.set(row, "done", { note: `same content as ${kept.get(row.id).name}` });
      else kept.set(row.id, row);
    }
    if (!kept.size) return;
    const { job_id: job } = await post(`/collections/${part(collection)}/files`, { file_ids: [...kept.keys()] });
    for (const row of kept.values()) this.set(row, "queued");
    await this.watch(job, kept, collection);
  }

  async send(row) {
    this.set(row, "uploading");
    try {
      row.id = (await upload(row.file, row.name, this.signal)).file_id;
    } catch (error) {
      if (!(error instanceof ApiError) || !error.status || error.status === 401 || error.status === 403) throw error;
      this.set(row, "failed", { error });
    }
  }

  async watch(job, rows, collection) {
    for await (const { kind, data } of follow(`/jobs/${job}/events`, this.signal)) {
      if (kind === "file") this.update(rows, data);
      else if (data.error) throw new ApiError(500, data.error);
      this.count(collection);
    }
    const { files } = await get(`/jobs/${job}/files`);
    files.forEach((file) => this.update(rows, file));
    const { error, warnings } = await get(`/jobs/${job}`);
    if (error) throw new ApiError(500, error);
    if (warnings.length) fill(this.trouble, warnings.map((text) => h("p", { class: "warning" }, text)));
  }

  update(rows, { file_id: id, state, chunks, warnings, error }) {
    const row = rows.get(id);
    if (row) this.set(row, state, { chunks, warnings, error });
  }

  row({ file, name }) {
    const row = { file, name, state: "waiting", id: null };
    row.label = h("span", { class: "state" });
    row.more = h("div", { class: "more" });
    row.element = h("li", { "data-state": "waiting" },
      h("span", { class: "name", dir: "auto" }, name), h("span", { class: "size" }, bytes(file.size)),
      row.label, row.more);
    this.rows.push(row);
    this.list.append(row.element);
    this.set(row, "waiting");
    return row;
  }

  set(row, state, { chunks = 0, warnings = [], error = null, note = "" } = {}) {
    row.state = state;
    row.element.dataset.state = state;
    const passages = state === "done" && chunks ? ` · ${plural(chunks, "passage")}` : "";
    fill(row.label, STATES[state] ?? state, passages, note ? ` · ${note}` : "");
    fill(row.more,
      error ? h("p", { class: "bad" }, error.message, " ", error.remedy) : null,
      warnings.map((text) => h("p", { class: "warning" }, text)));
  }

  count(collection) {
    const of = (...states) => this.rows.filter((row) => states.includes(row.state)).length;
    const [ready, failed, total] = [of("done"), of("failed", "cancelled"), this.rows.length];
    const isOver = ready + failed === total;
    fill(this.summary,
      h("progress", { max: total, value: ready + failed, "aria-label": "Files read" }),
      h("span", {}, `${ready} of ${plural(total, "file")} ready`, failed ? `, ${failed} not added` : ""),
      ready ? link(isOver ? "Ask them something" : "Ask already", `/?c=${part(collection)}`, { class: "primary button" }) : null);
    if (isOver) announce(`${plural(ready, "file")} ready.`);
  }
}
