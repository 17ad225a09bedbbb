// Late interaction as a last stage: the best of both, ordered by how well the tokens of the question
// are found among those of each passage (MaxSim).

import { post } from "./api.js";

const BEST = 50;

export async function late(address, body, model, signal) {
  const found = await post(address, { ...body, mode: "hybrid", top: BEST }, { signal });
  if (!found.hits.length) return found;
  const begin = performance.now();
  const { results } = await post("/v1/rerank", {
    model, query: body.query, documents: found.hits.map((hit) => hit.text), weight: 1,
  }, { signal });
  const hits = results.map(({ index, normalised_score: score }, rank) => {
    const hit = found.hits[index];
    return { ...hit, score, scores: { ...hit.scores, late: score }, ranks: { ...hit.ranks, late: rank + 1 } };
  });
  const stage = { name: "late", candidates: hits.length, milliseconds: performance.now() - begin };
  return { ...found, hits, stages: [...found.stages, stage], next_cursor: null };
}
