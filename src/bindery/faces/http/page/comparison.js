// The result of an evaluation: a table of settings, plots, and the questions that each won and lost.

import { part } from "./api.js";
import { bytes, h, link, number, plural, svg } from "./dom.js";

const COLUMNS = [
  ["nDCG@10", "ndcg_10"], ["MRR", "mrr"], ["recall@1", "recall_1"], ["recall@5", "recall_5"],
  ["recall@10", "recall_10"], ["in budget", "recall_in_budget"],
];
const [WIDTH, HEIGHT, LEFT, EDGE, FOOT] = [420, 230, 44, 16, 34];
const MOST_QUESTIONS = 100;

export function comparison(result, collection) {
  const { settings } = result;
  return [
    h("h2", {}, advice(result)),
    result.missing.length ? h("p", { class: "warning" }, `These files are expected and not in the collection: ${result.missing.join(", ")}.`) : null,
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of settings" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Setting", ...COLUMNS.map(([name]) => name), "ms", "Index", "against the first"].map((one) => h("th", { scope: "col" }, one)))),
      h("tbody", {}, settings.map((one, place) => row(one, place, result))))),
    h("div", { class: "sides" },
      plot(settings, "size of the index", (one) => Math.max(1, one.index_bytes), bytes),
      plot(settings, "milliseconds of a search", (one) => Math.max(0.001, one.milliseconds), (value) => `${value.toPrecision(2)} ms`)),
    settings.slice(1).map((one) => questions(one, collection)),
  ];
}

function advice({ settings, recommended, baseline, questions: count }) {
  const asked = plural(count, "question");
  if (settings.length === 1) return `${asked}: nDCG@10 ${settings[0].ndcg_10.toFixed(3)}. Choose other settings to compare with.`;
  if (!recommended) return `${asked}: no setting is better than ${baseline} for certain.`;
  const { against_baseline: gain } = settings.find((one) => one.name === recommended);
  return `${asked}: ${recommended} is better than ${baseline}, by ${gain.mean.toFixed(3)} nDCG@10.`;
}

function row(one, place, { recommended }) {
  const gain = one.against_baseline;
  const signed = (value) => (value < 0 ? "" : "+") + value.toFixed(3);
  return h("tr", {},
    h("td", {}, h("span", { class: `swatch c${place % 8}` }, one.name), one.name === recommended ? h("strong", { class: "good" }, " better") : null),
    COLUMNS.map(([, key]) => h("td", {}, one[key].toFixed(3))),
    h("td", {}, one.milliseconds.toFixed(1)), h("td", {}, bytes(one.index_bytes)),
    h("td", {}, gain ? `${signed(gain.mean)} (${signed(gain.low)} to ${signed(gain.high)})` : "the first"));
}

// nDCG@10 over a logarithmic axis.
function plot(settings, label, value, shown) {
  const across = settings.map((one) => Math.log10(value(one)));
  const up = settings.map((one) => one.ndcg_10);
  const [left, right] = [Math.min(...across) - 0.15, Math.max(...across) + 0.15];
  const [low, high] = [Math.max(0, Math.min(...up) - 0.03), Math.min(1, Math.max(...up) + 0.03)];
  const x = (one) => LEFT + ((one - left) / (right - left)) * (WIDTH - LEFT - EDGE);
  const y = (one) => HEIGHT - FOOT - ((one - low) / (high - low || 1)) * (HEIGHT - FOOT - EDGE);
  const mark = (at, ...rest) => svg("text", { class: "small", ...at }, ...rest);
  const points = settings.map((one, place) => svg("g", {},
    svg("circle", { cx: x(across[place]), cy: y(up[place]), r: 6, class: `point c${place % 8}` }),
    svg("title", {}, `${one.name}: ${up[place].toFixed(3)}, ${shown(value(one))}`)));
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", role: "img", "aria-label": `nDCG@10 against the ${label}; the same numbers are in the table` },
    svg("line", { x1: LEFT, y1: HEIGHT - FOOT, x2: WIDTH - EDGE, y2: HEIGHT - FOOT }), svg("line", { x1: LEFT, y1: EDGE, x2: LEFT, y2: HEIGHT - FOOT }),
    mark({ x: 4, y: y(low) }, low.toFixed(2)), mark({ x: 4, y: EDGE + 8 }, high.toFixed(2)),
    mark({ x: LEFT, y: HEIGHT - 16 }, shown(10 ** left)), mark({ x: WIDTH - EDGE, y: HEIGHT - 16, "text-anchor": "end" }, shown(10 ** right)), ...points);
  return h("figure", {}, picture, h("figcaption", { class: "note" }, `nDCG@10 against the ${label}`));
}

function questions(setting, collection) {
  const list = (name, texts) => h("details", {}, h("summary", {}, `${name} on ${plural(texts.length, "question")}`),
    h("ul", {}, texts.slice(0, MOST_QUESTIONS).map((text) => h("li", { dir: "auto" }, link(text, `/?c=${part(collection)}&q=${part(text)}`)))),
    texts.length > MOST_QUESTIONS ? h("p", { class: "note" }, `And ${number(texts.length - MOST_QUESTIONS)} more.`) : null);
  return h("section", { "aria-label": setting.name }, h("h3", {}, setting.name), list("Better", setting.won), list("Worse", setting.lost));
}
