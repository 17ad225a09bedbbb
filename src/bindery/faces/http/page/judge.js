// Marks of hits as right or wrong answers to a question, which become an evaluation set.

import { get, part, post, remove } from "./api.js";
import { announce, button, h, problem } from "./dom.js";

const SIGNS = [[true, "✓", "Right"], [false, "✗", "Wrong"]];

export class Judge {
  constructor(collection) {
    this.base = `/collections/${part(collection)}/marks`;
    this.marks = [];
  }

  // The marks so far; without them, hits are shown unmarked.
  async load() {
    this.marks = (await get(this.base)).marks;
  }

  find(query, hit) {
    const isOf = ({ span }) => [hit, ...hit.spans].some(({ start, end }) => start === span.start && end === span.end);
    return this.marks.find((one) => one.query === query && one.file_id === hit.file_id && isOf(one));
  }

  // Two buttons; a second press on the same one takes the mark back.
  buttons(query, hit) {
    const group = h("span", { class: "judge", role: "group", "aria-label": "Is it an answer?" });
    const show = () => {
      const mark = this.find(query, hit);
      for (const one of group.querySelectorAll("button")) one.setAttribute("aria-pressed", String(String(mark?.is_right) === one.dataset.right));
    };
    const press = async (isRight) => {
      group.querySelector(".problem")?.remove();
      const known = this.find(query, hit);
      try {
        if (known?.is_right === isRight) await remove(`${this.base}/${known.id}`);
        const made = known?.is_right === isRight ? null : await post(this.base, { query, id: hit.id, is_right: isRight });
        this.marks = [...this.marks.filter((one) => one !== known), made].filter(Boolean);
        announce(made ? "Marked." : "The mark is taken back.");
        show();
      } catch (error) {
        group.append(problem(error));
      }
    };
    group.append(...SIGNS.map(([isRight, sign, title]) =>
      button(sign, () => press(isRight), { title, "aria-label": title, "data-right": String(isRight) })));
    show();
    return group;
  }
}
