// How the tokens of a question match those of a passage (MaxSim): as heat in its text, and as a matrix.

import { part, post } from "./api.js";
import { fill, h, slicer } from "./dom.js";

const LEVELS = 6;

export const compareTokens = (collection, fileId, query, { start, end }, signal) =>
  post(`/collections/${part(collection)}/files/${part(fileId)}/tokens`, { query, start, end }, { signal });

// Paints `target`, which shows `text`, and gives the words of the question and the matrix.
export function tokenView(matrix, text, target) {
  const { query_tokens: asked, tokens, similarities: rows, score } = matrix;
  if (tokens.every((one) => one.start === null)) {
    return h("p", { class: "note" }, `MaxSim ${score.toFixed(3)}. This model joins tokens, so their places are not known.`);
  }
  const strongest = tokens.map((_, at) => Math.max(...rows.map((row) => row[at])));
  const level = scale(rows.flat());
  const paint = (weights) => fill(target, heat(text, tokens, weights, scale(weights)));
  paint(strongest);
  const words = asked.map((token, at) => {
    const row = rows[at];
    const on = () => paint(row);
    return h("li", { tabindex: "0", class: `t${level(Math.max(...row))}`, dir: "auto", title: bestOf(row, tokens),
      onpointerenter: on, onfocus: on, onpointerleave: () => paint(strongest), onblur: () => paint(strongest) }, token.text || "added");
  });
  return h("div", { class: "token-view" },
    h("p", { class: "note" }, `MaxSim ${score.toFixed(3)}. Darker tokens are more like the question. Point at a word of the question to see where it matched:`),
    h("ul", { class: "asked" }, words),
    h("details", {}, h("summary", {}, "Every token against every token"), table(asked, tokens, rows, level)));
}

// The level of a value, 0 to 5, between the least and the largest of some.
function scale(values) {
  const [low, high] = values.reduce(([least, most], one) => [Math.min(least, one), Math.max(most, one)], [Infinity, -Infinity]);
  return (value) => Math.min(LEVELS - 1, Math.floor((LEVELS * (value - low)) / (high - low || 1)));
}

function bestOf(row, tokens) {
  const best = row.indexOf(Math.max(...row));
  return `most like “${tokens[best].text}”, ${row[best].toFixed(2)}`;
}

function heat(text, tokens, weights, level) {
  const slice = slicer(text);
  const parts = [];
  let at = 0;
  tokens.forEach(({ start, end }, place) => {
    if (start === null || start < at) return;
    if (start > at) parts.push(slice(at, start));
    parts.push(h("span", { class: `t${level(weights[place])}`, title: weights[place].toFixed(2) }, slice(start, end)));
    at = end;
  });
  parts.push(slice(at, undefined));
  return parts;
}

function table(asked, tokens, rows, level) {
  const body = rows.map((row, at) => {
    const best = row.indexOf(Math.max(...row));
    return h("tr", {}, h("th", { scope: "row", dir: "auto" }, asked[at].text || "added"),
      row.map((value, place) => h("td", { class: `t${level(value)}${place === best ? " best" : ""}`, title: `${asked[at].text} ~ ${tokens[place].text}: ${value.toFixed(2)}` },
        h("span", { class: "hidden-text" }, value.toFixed(2)))));
  });
  return h("div", { class: "scroll matrix", tabindex: "0", role: "region", "aria-label": "Similarity of tokens" },
    h("table", {}, h("thead", {}, h("tr", {}, h("td"), tokens.map((one) => h("th", { scope: "col", dir: "auto" }, h("span", {}, one.text || "added"))))), h("tbody", {}, body)));
}
