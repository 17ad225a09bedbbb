// Why a passage is where it is in the order, or is not among the hits, and what would bring it in.

import { part, post } from "./api.js";
import { button, fill, h, number, problem } from "./dom.js";

const STAGES = { dense: "meaning", lexical: "words", fusion: "mixed", neighbours: "neighbours", rrf: "ranks mixed" };
const MOST_QUOTED = 2000;

// `asked` are the fields of the search; the passage is named by its file, or by words of it.
export async function why(collection, asked, { file = "", quote = "" }, signal) {
  const body = { ...asked, file, quote: Array.from(quote).slice(0, MOST_QUOTED).join("") };
  const { message, remedy, rank, ranks, scores } = await post(`/collections/${part(collection)}/why-not`, body, { signal });
  const shown = (value) => (value === null ? "not found" : number(value));
  const facts = [
    ...Object.entries(ranks).map(([name, value]) => `${STAGES[name] ?? name}: ${shown(value)}`),
    ...Object.entries(scores).filter(([, value]) => value !== null).map(([name, value]) => `${name} ${value.toFixed(3)}`),
  ];
  return [
    h("p", {}, rank ? `Place ${number(rank)}. ` : "", message),
    rank || !remedy ? null : h("p", { class: "remedy" }, remedy),
    facts.length ? h("p", { class: "note" }, "Its places and scores: ", facts.join(" · ")) : null,
  ];
}

// A field for words of a passage that is missed.
export function whyForm(collection, asked) {
  const field = h("input", { "aria-label": "Words of a passage that you miss", placeholder: "Words of a passage that you miss", dir: "auto", maxLength: MOST_QUOTED });
  const told = h("div", { role: "status" });
  const ask = async () => {
    if (!field.value.trim()) return field.focus();
    fill(told, h("p", { class: "note" }, "Looking for it ..."));
    try {
      fill(told, await why(collection, asked(), { quote: field.value.trim() }));
    } catch (error) {
      fill(told, problem(error));
    }
  };
  return h("form", { class: "missed", onsubmit: (event) => { event.preventDefault(); ask(); } },
    h("p", { class: "row" }, field, button("Why not this one?", ask)), told);
}
