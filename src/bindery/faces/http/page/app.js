// The frame: which view the address names, the header, and the key.

import { get, key } from "./api.js";
import { button, fill, h, link, problem, skeleton } from "./dom.js";

let main = document.getElementById("main");
const top = document.getElementById("top");
let leave = null;

export function go(address, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  return show();
}

export const parameters = () => new URLSearchParams(location.search);

// Keeps the state of a view in the address without showing the view again.
export function remember(values, { replace = true } = {}) {
  const query = parameters();
  for (const [name, value] of Object.entries(values)) {
    query.delete(name);
    for (const one of [value].flat()) if (one) query.append(name, one);
  }
  const text = query.toString();
  const address = location.pathname + (text ? `?${text}` : "");
  if (address === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
}

// A view is loaded when it is shown, while the collections are asked for.
const VIEWS = {
  search: ["Search", async () => (await import("./search.js")).showSearch],
  add: ["Add", async () => (await import("./start.js")).showStart],
  collections: ["Collections", async () => (await import("./library.js")).showLibrary],
  lab: ["Chunking", async () => (await import("./lab.js")).showLab],
  map: ["Map", async () => (await import("./map.js")).showMap],
  dimensions: ["Dimensions", async () => (await import("./dimensions.js")).showDimensions],
  evaluate: ["Evaluate", async () => (await import("./evaluate.js")).showEvaluate],
  operations: ["Operations", async () => (await import("./operations.js")).showOperations],
};

const named = () => (Object.hasOwn(VIEWS, parameters().get("show") ?? "") ? parameters().get("show") : "");
const firstOf = (collections) => (collections.some((one) => one.files > 0) ? "search" : "add");

async function chosen(collections) {
  if (location.pathname.startsWith("/view/")) return (await import("./document.js")).showDocument;
  return VIEWS[named() || firstOf(collections)][1]();
}

async function show() {
  leave?.();
  leave = null;
  // Each view has an element of its own: a slow one that is left must not draw over the next.
  const place = main.cloneNode(false);
  main.replaceWith(place);
  main = place;
  // The width of the view, before it is drawn.
  main.className = location.pathname.startsWith("/view/") ? "document" : named();
  fill(main, skeleton());
  try {
    const { collections } = await get("/collections");
    collections.sort((a, b) => (b.name === "default") - (a.name === "default")); // views start with it
    const view = await chosen(collections);
    if (place !== main) return;
    drawTop(collections);
    const end = (await view(place, { collections, go, remember, parameters, again: show })) ?? null;
    if (place === main) leave = end;
    else end?.();
  } catch (error) {
    if (place !== main) return;
    drawTop([]);
    if (error.status === 401) askForKey();
    else fill(main, problem(error, show));
  }
}

function drawTop(collections) {
  const current = location.pathname === "/" ? named() || firstOf(collections) : "";
  const tabs = Object.entries(VIEWS).map(([id, [label]]) =>
    link(label, id === "search" ? "/" : `/?show=${id}`, { "aria-current": current === id ? "page" : null }));
  fill(
    top,
    link([h("span", { class: "spine", "aria-hidden": "true" }), "Bindery"], "/", { class: "brand" }),
    h("nav", { "aria-label": "Views" }, tabs),
    h("span", { class: "grow" }),
    link("API", "/docs", { class: "quiet" }),
    key.get() ? button("Forget key", () => { key.set(""); show(); }, { class: "quiet" }) : null,
  );
  showTab();
}

// On a narrow screen the tabs scroll.
function showTab() {
  const [nav, current] = [top.querySelector("nav"), top.querySelector("[aria-current]")];
  if (current) nav.scrollLeft = current.offsetLeft - nav.offsetLeft - 16;
}

function askForKey(failed = false) {
  const field = h("input", {
    id: "key", type: "password", autocomplete: "off", spellcheck: false, required: true,
    "aria-describedby": "key-note",
  });
  const form = h(
    "form",
    {
      class: "card narrow",
      onsubmit: async (event) => {
        event.preventDefault();
        key.set(field.value.trim());
        await show();
        if (document.getElementById("key")) askForKey(true);
      },
    },
    h("h1", {}, "This server asks for a key"),
    failed ? h("p", { class: "bad", role: "alert" }, "The server does not know this key.") : null,
    h("label", { for: "key" }, "API key"),
    field,
    h("p", { id: "key-note", class: "note" },
      "It stays in this tab until you close it. Create one with ",
      h("code", {}, "bindery keys create"), "."),
    h("button", { class: "primary" }, "Continue"),
  );
  if (failed || key.get()) key.set("");
  fill(main, form);
  field.focus();
}

addEventListener("bindery-needs-key", () => askForKey(Boolean(key.get())));
addEventListener("popstate", show);
document.addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a[href]");
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
  if (!anchor || !isPlain || anchor.target || anchor.hasAttribute("download")) return;
  const address = new URL(anchor.href);
  const isOurs = address.pathname === "/" || address.pathname.startsWith("/view/");
  if (address.origin !== location.origin || !isOurs || anchor.classList.contains("skip")) return;
  event.preventDefault();
  go(address.pathname + address.search);
});
show();
