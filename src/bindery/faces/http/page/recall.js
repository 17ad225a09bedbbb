// How much of the answers to questions is in the best chunks of a document, by meaning.

import { h, plural } from "./dom.js";
import { written } from "./questions.js";
import { embed, ranked } from "./vectors.js";

export const BUDGET_TOKENS = 1000;
const MOST_CHUNKS = 512;
const MOST_SUGGESTED = 12;
const SHORTEST = 40;

// Questions from the document itself: each heading, and the last sentence below it as the answer.
export function suggested(chunks) {
  const found = new Map();
  for (const { heading, text } of chunks) {
    if (!heading || found.has(heading) || found.size === MOST_SUGGESTED) continue;
    const sentences = text.split(/(?<=[.!?。])\s+|\n+/).map((one) => one.trim());
    const answer = sentences.findLast((one) => one.length >= SHORTEST && !one.includes(heading));
    if (answer) found.set(heading, answer);
  }
  return [...found].map(([question, quote]) => written({ question, quote })).join("\n");
}

// The text that chunks are from; what is in none of them is blank.
function textOf(chunks) {
  const end = chunks.reduce((most, one) => Math.max(most, one.end), 0);
  const points = Array(end).fill(" ");
  for (const { start, text } of chunks) Array.from(text).forEach((one, at) => { points[start + at] = one; });
  return points;
}

// Where a quotation is, in code points; white space in it may differ.
function placed(quote, points) {
  const words = quote.split(/\s+/).map((one) => one.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const found = new RegExp(words.join("\\s+")).exec(points.join(""));
  if (!found) return null;
  const start = Array.from(points.join("").slice(0, found.index)).length;
  return { start, end: start + Array.from(found[0]).length };
}

export async function recallOf(chunks, questions, model, signal) {
  if (chunks.length > MOST_CHUNKS) {
    throw Object.assign(new Error(`${plural(chunks.length, "chunk")} are too many to embed here: at most ${MOST_CHUNKS}.`), { remedy: "Add the document to a collection and use bindery evaluate." });
  }
  const points = textOf(chunks);
  const asked = questions.map((one) => ({ ...one, span: one.quote ? placed(one.quote, points) : null }));
  const known = asked.filter((one) => one.span);
  const queries = await embed(model, known.map((one) => one.question), "query", { signal });
  const vectors = await embed(model, chunks.map((one) => one.context + one.text), "document", { signal });
  known.forEach((one, at) => { one.share = shareOf(one.span, within(ranked(queries[at], vectors), chunks), points); });
  return asked;
}

// The best chunks that fit the budget; the best one always does.
function within(order, chunks) {
  const taken = [];
  let tokens = 0;
  for (const place of order) {
    tokens += chunks[place].tokens;
    if (taken.length && tokens > BUDGET_TOKENS) break;
    taken.push(chunks[place]);
  }
  return taken;
}

// Of the characters that are no white space, since that may be between chunks.
function shareOf({ start, end }, chunks, points) {
  const places = Array.from({ length: end - start }, (_, at) => start + at).filter((at) => points[at].trim());
  return places.filter((at) => chunks.some((one) => one.start <= at && at < one.end)).length / places.length;
}

export function shownRecall(asked) {
  const known = asked.filter((one) => one.span);
  const mean = known.reduce((sum, one) => sum + one.share, 0) / (known.length || 1);
  return h("details", { class: "recall" },
    h("summary", {}, known.length ? `The best ${BUDGET_TOKENS.toLocaleString("en")} tokens hold ${mean.toFixed(2)} of the answers to ${plural(known.length, "question")}.` : "No answer was found in the document."),
    h("ul", {}, asked.map((one) => h("li", { dir: "auto" }, h("strong", {}, one.span ? one.share.toFixed(2) : "not in the document"), " ", one.question))));
}
