// What each word of the question adds to the score of a hit, and where it is in its text.

import { overlap } from "./bands.js";
import { h, plural } from "./dom.js";

export function shares(hit, text) {
  const total = hit.scores.bm25 || 1;
  if (!hit.words?.length) return h("p", { class: "note" }, "No word of the question is in it.");
  const places = [...text.querySelectorAll("mark")];
  return h("ul", { class: "shares" }, hit.words.map((share) => {
    const light = (isOn) => hit.marks.forEach((mark, at) =>
      share.marks.some((one) => overlap(one, mark)) && places[at]?.classList.toggle("lit", isOn));
    return h("li", { tabindex: "0", onpointerenter: () => light(true), onpointerleave: () => light(false), onfocus: () => light(true), onblur: () => light(false) },
      h("strong", { dir: "auto" }, share.word),
      h("meter", { min: "0", max: "1", value: String(share.score / total), "aria-label": `share of ${share.word}` }),
      h("span", {}, share.score.toFixed(2)),
      h("span", { class: "note" }, `in ${plural(share.rows, "passage")}`));
  }));
}
