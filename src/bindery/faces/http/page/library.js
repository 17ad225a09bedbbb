// Collections and their files: what is in them, and how to get it out again.

import { get, part, remove } from "./api.js";
import { announce, button, bytes, confirmed, fill, h, link, nothingYet, number, plural, problem } from "./dom.js";

const AT_ONCE = 200;

export function showLibrary(main, { collections, again }) {
  main.className = "library";
  fill(main, collections.length ? [h("h1", {}, "Collections"), collections.map((one) => shelf(one, again))]
    : nothingYet("Collections", "There is no collection yet"));
}

function shelf(collection, again) {
  const files = h("div", { class: "holdings" });
  const trouble = h("div");
  const { name } = collection;
  const facts = [
    plural(collection.files, "file"), plural(collection.chunks, "passage"), `${collection.model}, ${collection.dimensions} dimensions`,
    `${collection.strategy}, ${collection.size} tokens`, collection.languages.join(", "),
    `since ${collection.created_at.slice(0, 10)}`,
  ];
  return h("section", { class: "card shelf" },
    h("div", { class: "row" },
      h("h2", { dir: "auto" }, name), h("span", { class: "grow" }),
      link("Search", `/?c=${part(name)}`, { class: "button" }),
      button("Delete", (event) => confirmed(event.currentTarget, `Delete ${name}`, async () => {
        await remove(`/collections/${part(name)}`);
        announce(`${name} is deleted.`);
        again();
      }, trouble))),
    h("p", { class: "note" }, facts.filter(Boolean).join(" · ")),
    collection.warnings.map((text) => h("p", { class: "warning" }, text)),
    trouble,
    h("details", { ontoggle: (event) => event.target.open && !files.hasChildNodes() && listFiles(files, name, 0, again) },
      h("summary", {}, "Files"), files));
}

async function listFiles(list, name, after) {
  try {
    const found = await get(`/collections/${part(name)}/files?limit=${AT_ONCE}&after=${after}`);
    list.querySelector(".more-files")?.remove();
    list.append(...found.files.map((file) => holding(file, name)));
    if (found.next !== null) {
      list.append(button(`More of ${number(found.total_files)}`, () => listFiles(list, name, found.next), { class: "more-files" }));
    }
  } catch (error) {
    list.append(problem(error));
  }
}

function holding(file, name) {
  const trouble = h("div", { class: "more" });
  const attributes = Object.entries(file.attributes).map(([key, value]) => `${key}: ${[value].flat().join(", ")}`);
  const row = h("div", { class: "holding" },
    link(h("span", { dir: "auto" }, file.file), `/view/${part(name)}/${part(file.file_id)}`),
    h("span", { class: "note" }, [file.kind, bytes(file.size_bytes), ...attributes].join(" · ")),
    button("Remove", (event) => confirmed(event.currentTarget, "Remove it", async () => {
      const { receipt } = await remove(`/collections/${part(name)}/files/${part(file.file)}`);
      fill(row, h("span", { class: "note" }, `${file.file} is removed: ${plural(receipt.chunks, "passage")} deleted.`,
        receipt.kept.length ? ` The same text is still stored in ${plural(receipt.kept.length, "place")}.` : ""));
      announce("Removed.");
    }, trouble), { class: "plain" }),
    trouble);
  return row;
}
