// Vectors of texts, from the public API.

import { part, post } from "./api.js";

const AT_ONCE = 128;

// A Float32Array for each text. `rotation` is the name of one, if vectors are to be rotated.
export async function embed(model, texts, role, { rotation, signal } = {}) {
  const found = [];
  for (let from = 0; from < texts.length; from += AT_ONCE) {
    const body = { chunks: texts.slice(from, from + AT_ONCE), role, encoding_format: "base64", truncate: "end", rotation };
    const { embeddings, offsets } = await post(`/embedding/${part(model)}/generate`, body, { signal });
    if (offsets) throw Object.assign(new Error(`${model} has a vector for each token, and this view needs one for each text.`), { remedy: "Choose another model." });
    for (const one of embeddings) found.push(floats(one));
  }
  return found;
}

function floats(text) {
  const raw = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  return new Float32Array(raw.buffer);
}

// The places of vectors by the cosine of their first k numbers with a query, best first.
export function ranked(query, vectors, k = query.length) {
  const scores = vectors.map((vector) => {
    let [dot, own] = [0, 0];
    for (let at = 0; at < k; at += 1) {
      dot += query[at] * vector[at];
      own += vector[at] * vector[at];
    }
    return dot / (Math.sqrt(own) || 1);
  });
  return [...scores.keys()].sort((one, other) => scores[other] - scores[one]);
}
