// Why this order: the ranks of the passages from stage to stage, as lines.

import { fill, h, number, svg } from "./dom.js";

const SHOWN = 10;
const DEEPEST = 14; // ranks below share a row
const [ROW, TOP, WIDTH, LEFT, RIGHT] = [20, 34, 760, 66, 190];
const LONGEST = 26;
const LABELS = { dense: "meaning", lexical: "words", fusion: "mixed", neighbours: "neighbours", rrf: "ranks mixed", late: "tokens", shown: "shown" };

export function flow(answer, hits, select) {
  const some = hits.slice(0, SHOWN);
  const stages = stagesOf(some);
  return [
    h("p", { class: "note" }, told(answer)),
    stages.length > 1 ? h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Ranks by stage" }, drawing(some, stages, answer, select)) : null,
  ];
}

function stagesOf(hits) {
  const names = new Set(hits.flatMap((hit) => Object.keys(hit.ranks)));
  return [...names, "shown"].filter((name) => name === "shown" || hits.some((hit) => hit.ranks[name] !== null));
}

function told({ stages, searched, weights, mode }) {
  const of = (name) => stages.find((one) => one.name === name)?.candidates;
  const parts = [`${number(searched)} passages were allowed.`];
  if (of("dense") !== undefined) parts.push(`Meaning gave its best ${number(of("dense"))}.`);
  if (of("lexical") !== undefined) parts.push(`Words gave their best ${number(of("lexical"))}.`);
  if (of("fusion") !== undefined) parts.push(`All ${number(of("fusion"))} were scored by both and mixed.`);
  if (mode === "hybrid") {
    weights.forEach(({ weight, reason, candidates }) =>
      parts.push(`Meaning weighed ${weight} for ${number(candidates)} of them: ${reason}.`));
  }
  if (of("neighbours") !== undefined) parts.push("Then passages with good neighbours moved up.");
  if (of("late") !== undefined) parts.push(`The tokens of the best ${number(of("late"))} were compared with those of the question.`);
  return parts.join(" ");
}

function drawing(hits, stages, answer, select) {
  const height = TOP + (DEEPEST + 2) * ROW;
  const x = (place) => LEFT + (place * (WIDTH - LEFT - RIGHT)) / (stages.length - 1);
  const y = (rank) => TOP + (rank === null ? DEEPEST + 1 : Math.min(rank, DEEPEST)) * ROW;
  const heads = stages.map((name, place) => svg("text", { x: x(place), y: 16, "text-anchor": "middle", class: "head" }, LABELS[name] ?? name));
  const times = stages.map((name, place) => {
    const ms = answer.stages.find((one) => one.name === name)?.milliseconds;
    return svg("text", { x: x(place), y: 31, "text-anchor": "middle", class: "small" }, ms === undefined ? "" : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`);
  });
  const rows = [...Array(DEEPEST - 1).keys()].map((rank) => [rank + 1, String(rank + 1)]);
  const axis = [...rows, [DEEPEST, `${DEEPEST}+`], [null, "not found"]].map(([rank, label]) =>
    svg("text", { x: 2, y: y(rank) + 4, class: "small" }, label));
  const lines = hits.map((hit, place) => line(hit, place, stages, x, y, select));
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, class: "flow", role: "img",
    "aria-label": "The rank of each passage in each stage. The same numbers are under Scores of each passage." },
  ...heads, ...times, ...axis, ...lines);
}

function line(hit, place, stages, x, y, select) {
  const rank = (name) => (name === "shown" ? place + 1 : (hit.ranks[name] ?? null));
  const points = stages.map((name, at) => [x(at), y(rank(name))]);
  const path = svg("polyline", { points: points.map((one) => one.join(",")).join(" ") });
  const dots = points.map(([cx, cy]) => svg("circle", { cx, cy, r: 3.5 }));
  const title = svg("title", {}, `${place + 1}. ${hit.file}: ${hit.text.slice(0, 80)}`);
  const last = points.at(-1);
  const name = hit.headings.at(-1) ?? hit.file;
  const label = svg("text", { x: last[0] + 9, y: last[1] + 4, class: "small" }, name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name);
  const group = svg("g", { class: "line" }, title, path, ...dots, label);
  group.addEventListener("click", () => select(place));
  return group;
}

export function showFlow(element, answer, hits, select) {
  fill(element, flow(answer, hits, select));
}
