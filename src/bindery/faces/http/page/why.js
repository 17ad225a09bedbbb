// Why a passage is where it is in the order, or is not among the hits at all.

import { part, post } from "./api.js";
import { h, number } from "./dom.js";

const DEEP = 1000;
const PAGE = 10;

export async function why({ collection, file, query, passage, signal }) {
  const address = `/collections/${part(collection)}/search`;
  const ask = (more) => post(address, { query, passage: "chunk", top: DEEP, ...more }, { signal });
  const all = await ask({});
  const isIt = (hit) => hit.file_id === file.file_id && hit.start === passage.start && hit.end === passage.end;
  const place = all.hits.findIndex(isIt);
  const last = all.hits[Math.min(PAGE, all.hits.length) - 1];
  if (place >= 0) return told(all.hits[place], place, last, all);
  const inFile = await ask({ filter: { type: "eq", key: "file", value: file.file } });
  return told(inFile.hits.find(isIt), -1, last, all);
}

function told(hit, place, last, all) {
  const parts = [];
  if (place < 0) parts.push(`It is not among the first ${number(all.hits.length)} of ${number(all.searched)} passages.`);
  else parts.push(`Place ${number(place + 1)} of ${number(all.searched)} passages${place < PAGE ? ", so it is on the first page." : "."}`);
  if (!hit) return h("p", {}, parts[0], " Neither its words nor its meaning are near the question.");
  const { dense, lexical } = hit.ranks;
  if (place >= 0 && dense !== undefined) parts.push(dense === null ? "Meaning did not have it among its best." : `By meaning it is number ${number(dense)}.`);
  if (!hit.marks.length) parts.push("None of the words of the question are in it.");
  else if (place >= 0 && lexical) parts.push(`By words it is number ${number(lexical)}.`);
  const { cosine, bm25 } = hit.scores;
  const rows = [["cosine", cosine, last?.scores.cosine], ["BM25", bm25, last?.scores.bm25]];
  const shown = (value) => (typeof value === "number" ? value.toFixed(3) : "none");
  return [
    h("p", {}, parts.join(" ")),
    place < PAGE && place >= 0 ? null : h("p", { class: "note" },
      rows.map(([name, own, its]) => `${name} ${shown(own)}, against ${shown(its)} of hit ${Math.min(PAGE, all.hits.length)}`).join("; "), "."),
  ];
}
