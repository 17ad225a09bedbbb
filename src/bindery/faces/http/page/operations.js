// What the server is doing: its queue, jobs, disk, keys, models and settings.

import { get, part, post, remove, send } from "./api.js";
import { button, bytes, confirmed, fill, h, number, plural, problem, skeleton } from "./dom.js";

const EVERY_MS = 2000;

export function showOperations(main) {
  const panels = [
    new Panel("Now", figures),
    new Panel("Jobs", jobs),
    new Panel("Disk", disk, { once: true }),
    new Panel("Keys", keys, { once: true }),
    new Panel("Models", models, { once: true }),
    new Panel("Settings", settings, { once: true }),
  ];
  main.className = "operations";
  fill(main, h("h1", {}, "Operations"), skeleton(6));
  const look = () => Promise.all(panels.map((panel) => panel.look()));
  // All at once, so that none pushes another away.
  look().then(() => fill(main, h("h1", {}, "Operations"), panels.map((one) => one.element)));
  const timer = setInterval(() => document.hidden || look(), EVERY_MS);
  return () => clearInterval(timer);
}

// A part of the view that reads for itself, so that a missing right hides only this part.
class Panel {
  constructor(title, read, { once = false } = {}) {
    this.read = read;
    this.once = once;
    this.body = h("div", {}, h("p", { class: "note" }, "Reading ..."));
    this.element = h("section", { "aria-label": title }, h("h2", {}, title), this.body);
  }

  async look() {
    if (this.busy || this.done) return;
    this.busy = true;
    try {
      const drawn = await this.read(() => this.look());
      const text = JSON.stringify(drawn.key);
      if (text !== this.last) fill(this.body, drawn.nodes);
      this.last = text;
      this.done = this.once;
    } catch (error) {
      this.last = null;
      this.done = error.status === 403;
      fill(this.body, problem(error));
    } finally {
      this.busy = false;
    }
  }
}

async function figures() {
  const [ready, text] = await Promise.all([readiness(), (await send("GET", "/metrics")).text()]);
  const values = parsed(text);
  const sum = (name) => (values.get(name) ?? []).reduce((total, one) => total + one, 0);
  const hits = sum("bindery_cache_hits_total");
  const asked = hits + sum("bindery_cache_misses_total");
  const shown = [
    ["State", ready.status.replace("_", " "), ready.storage],
    ["In the queue", plural(sum("bindery_model_queue_texts"), "text"), `${number(sum("bindery_model_queue_tokens"))} tokens`],
    ["Memory of models", bytes(sum("bindery_models_loaded_bytes")), `process: ${bytes(sum("process_resident_memory_bytes"))}`],
    ["Cache of vectors", bytes(sum("bindery_cache_bytes")), asked ? `${Math.round((100 * hits) / asked)} % found` : "not asked yet"],
    ["Texts that failed", number(sum("bindery_model_failed_texts_total")), null],
  ];
  return {
    key: shown,
    nodes: h("dl", { class: "tiles" }, shown.map(([name, value, more]) =>
      h("div", {}, h("dt", {}, name), h("dd", {}, value, more ? h("small", {}, more) : null)))),
  };
}

// Not ready is an answer, too.
async function readiness() {
  return (await fetch("/ready")).json();
}

function parsed(text) {
  const values = new Map();
  for (const line of text.split("\n")) {
    const found = /^([a-z_]+)(?:\{[^}]*\})? (\S+)$/.exec(line);
    if (found) values.set(found[1], [...(values.get(found[1]) ?? []), Number(found[2])]);
  }
  return values;
}

function table(name, heads, rows) {
  const head = (one) => h("th", { scope: "col" }, one || h("span", { class: "hidden-text" }, "Actions"));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table of ${name}` },
    h("table", {}, h("thead", {}, h("tr", {}, heads.map(head))), h("tbody", {}, rows)));
}

async function disk() {
  const { free_bytes: free, parts } = await get("/disk");
  const used = parts.reduce((sum, one) => sum + one.size_bytes, 0);
  return {
    key: parts,
    nodes: [
      h("p", { class: "note" }, `${bytes(used)} in the home, ${bytes(free)} free on its disk.`),
      table("the disk", ["Part", "Size", "To free it"], parts.map((one) => h("tr", {},
        h("td", {}, h("strong", {}, one.path), h("div", { class: "note" }, one.what)),
        h("td", {}, bytes(one.size_bytes), h("meter", { min: "0", max: "1", value: String(one.size_bytes / used), "aria-label": `share of ${one.path}` })),
        h("td", {}, one.remedy ? h("code", {}, one.remedy) : null)))),
    ],
  };
}

// Those that were set come first; the others have their defaults.
async function settings() {
  const { settings: found } = await get("/settings");
  const [set, others] = [found.filter((one) => one.origin !== "default"), found.filter((one) => one.origin === "default")];
  const rows = (some) => some.map((one) => h("tr", {},
    h("td", {}, h("strong", {}, one.key), h("div", { class: "note" }, h("code", {}, one.variable))),
    h("td", { dir: "auto" }, one.value), h("td", {}, one.origin)));
  const heads = ["Setting", "Value", "From"];
  return {
    key: found,
    nodes: [
      set.length ? table("settings", heads, rows(set)) : h("p", { class: "note" }, "All settings have their defaults."),
      h("details", {}, h("summary", {}, plural(others.length, "default")), table("defaults", heads, rows(others))),
    ],
  };
}

async function jobs(again) {
  const { jobs: found, has_more: hasMore } = await get("/jobs?limit=20");
  if (!found.length) return { key: 0, nodes: h("p", { class: "note" }, "No jobs yet.") };
  return {
    key: found,
    nodes: [
      table("jobs", ["Job", "State", "Files", "Passages", "Since", ""], found.map((job) => jobRow(job, again))),
      hasMore ? h("p", { class: "note" }, "The newest 20 jobs.") : null,
    ],
  };
}

function jobRow(job, again) {
  const { progress } = job;
  const isOpen = job.state === "queued" || job.state === "running";
  const left = progress.seconds_left && isOpen ? `, ${Math.ceil(progress.seconds_left)} s left` : "";
  return h("tr", {},
    h("td", {}, h("code", {}, job.job_id.slice(0, 12)), job.error ? h("p", { class: "bad" }, job.error.message) : null),
    h("td", {}, job.state, left),
    h("td", {}, `${number(progress.files_done)} of ${number(progress.files_total)}`, progress.files_failed ? h("span", { class: "bad" }, `, ${progress.files_failed} failed`) : null),
    h("td", {}, number(progress.chunks_done)),
    h("td", {}, new Date(job.created_at).toLocaleString()),
    h("td", {}, isOpen ? button("Cancel", async () => { await post(`/jobs/${job.job_id}/cancel`, {}); again(); }, { class: "plain" }) : null));
}

async function keys() {
  const { keys: found } = await get("/keys");
  if (!found.length) {
    return { key: 0, nodes: h("p", { class: "note" }, "There are no keys: everybody on this machine may do everything. ", h("code", {}, "bindery keys create"), " makes the first one.") };
  }
  return {
    key: found,
    nodes: table("keys", ["Name", "Scopes", "Collections", "Since", ""], found.map(keyRow)),
  };
}

function keyRow(key) {
  const trouble = h("div");
  const row = h("tr", {},
    h("td", {}, h("strong", { dir: "auto" }, key.name), h("div", { class: "note" }, h("code", {}, key.id)), trouble),
    h("td", {}, key.scopes.join(", ")),
    h("td", {}, key.collections?.join(", ") ?? "all"),
    h("td", {}, key.created_at.slice(0, 10)),
    h("td", {}, button("Revoke", (event) => confirmed(event.currentTarget, "Revoke it", async () => {
      await remove(`/keys/${part(key.id)}`);
      row.remove();
    }, trouble), { class: "plain" })));
  return row;
}

async function models() {
  const { models: found } = await get("/models");
  const order = ["loaded", "present", "failed", "missing"];
  const sorted = [...found].sort((one, other) => order.indexOf(one.state) - order.indexOf(other.state));
  const here = sorted.filter((one) => one.state !== "missing");
  const others = sorted.filter((one) => one.state === "missing");
  return {
    key: found,
    nodes: [
      here.length ? modelTable(here) : h("p", { class: "note" }, "No model is on this machine yet. Fetch the small one with ", h("code", {}, "bindery preload vanilla"), "."),
      others.length ? h("details", {}, h("summary", {}, `${plural(others.length, "other")} to fetch`), modelTable(others)) : null,
    ],
  };
}

function modelTable(rows) {
  return table("models", ["Model", "State", "Family", "Dimensions", "Window", "Languages", "Licence"], rows.map((one) => h("tr", {},
    h("td", {}, h("strong", {}, one.id), h("div", { class: "note" }, one.repository)),
    h("td", {}, one.state, one.error ? h("div", { class: "note" }, one.error.remedy) : null),
    h("td", {}, one.family),
    h("td", {}, [one.dimensions, ...one.nested_dimensions].join(", ")),
    h("td", {}, number(one.max_tokens)),
    h("td", {}, one.languages.length > 6 ? `${one.languages.slice(0, 6).join(", ")} ...` : one.languages.join(", ")),
    h("td", {}, one.licence))));
}
