"""Make the golden file of late chunking, from the reference's token states and plain loops.

It runs in the environment of ``make_dense.py``, in this folder:

    reference/bin/python make_late_chunking.py --minilm FOLDER

Günther et al., 2024 (arXiv:2409.04701): the text runs whole, the states of each span's tokens are
averaged, and the model's own modules after pooling follow. As in the authors' code the first span
takes what is before the text, too, and the last one what is after it. Of a text over the window,
each token's state is that of the window in which it stands further from the edge.

``late_chunking.json`` holds texts, spans and versions, ``late_chunking.npz`` for each MODEL and
CASE the vectors (spans, d) as ``MODEL/CASE``.
"""
# pyright: basic, reportMissingImports=false, reportArgumentType=false

import argparse
import json
import os
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

HERE = Path(__file__).parent
PACKAGES = ("torch", "sentence-transformers", "transformers", "tokenizers", "numpy")

SHORT = (
    "Berlin is the capital of Germany. Its more than 3.8 million people make it the most populous "
    "city of the European Union. The city is one of its states, too. It lies on the Spree."
)
LONG = " ".join(
    f"Volume {number} stands on shelf {number % 7}; its spine is {colour} and its paper {paper}."
    for number in range(1, 61)
    for colour, paper in [(("red", "dark blue", "grey")[number % 3], ("laid", "wove")[number % 2])]
)


def cut(text: str, size: int, step: int, *, first: int = 0) -> list[tuple[int, int]]:
    """Spans of about so many characters, each so many after the last, from word to word."""
    edges = [0, *(place + 1 for place, letter in enumerate(text) if letter == " ")]
    starts = [
        max(edge for edge in edges if edge <= place) for place in range(first, len(text), step)
    ]
    found = [(start, text.rfind(" ", 0, start + size)) for start in starts]
    return [(start, end) for start, end in found if end > start]


def sentences(text: str) -> list[tuple[int, int]]:
    """Spans of sentences that end with a stop and a blank."""
    ends = [place + 1 for place in range(len(text)) if text[place : place + 2] == ". "]
    starts = [0, *(end + 1 for end in ends)]
    return list(zip(starts, [*ends, len(text)], strict=True))


CASES = {
    "whole": (SHORT, [(0, len(SHORT))]),
    "sentences": (SHORT, sentences(SHORT)),
    "gaps": (SHORT, sentences(SHORT)[1::2]),
    "long": (LONG, [*cut(LONG, 300, 300)]),
    "overlapping": (LONG, [*cut(LONG, 400, 250, first=100)]),
    "one span over windows": (LONG, [(0, len(LONG))]),
}


def late_chunks(model: SentenceTransformer, text: str, spans: list, prompt: str) -> np.ndarray:
    """The vectors of the spans, token by token."""
    tokenizer, window = model.tokenizer, model.max_seq_length
    start, end = spans[0][0], spans[-1][1]
    plain = {"add_special_tokens": False, "return_offsets_mapping": True, "verbose": False}
    encoded = tokenizer(prompt + text[start:end], **plain)
    prompt_ids = tokenizer(prompt, **plain)["input_ids"] if prompt else []
    in_prompt = 0
    while in_prompt < len(prompt_ids) and prompt_ids[in_prompt] == encoded["input_ids"][in_prompt]:
        in_prompt += 1
    ids = encoded["input_ids"][in_prompt:]
    shift = start - len(prompt)
    places = []
    for begin, end in encoded["offset_mapping"][in_prompt:]:
        piece = text[max(begin + shift, start) : end + shift]
        # A token that begins with a blank belongs to the word in it, where there is one.
        blanks = len(piece) - len(piece.lstrip()) if piece.strip() else 0
        places.append(max(begin + shift, start) + blanks)

    special = tokenizer("a")["input_ids"]
    alone = tokenizer("a", add_special_tokens=False)["input_ids"]
    at = special.index(alone[0])
    before = special[:at] + encoded["input_ids"][:in_prompt]
    after = special[at + len(alone) :]

    states = states_of(model, before, ids, after, window)
    vectors = []
    for number, (span_start, span_end) in enumerate(spans):
        rows = [len(before) + i for i, at in enumerate(places) if span_start <= at < span_end]
        if number == 0:
            rows = [*range(len(before)), *rows]
        if number == len(spans) - 1:
            rows += range(len(before) + len(ids), len(before) + len(ids) + len(after))
        vectors.append(torch.stack([states[row] for row in rows]).mean(dim=0))
    features = {"sentence_embedding": torch.stack(vectors)}
    for module in list(model)[2:]:
        features = module(features)
    return features["sentence_embedding"].detach().numpy()


def states_of(
    model: SentenceTransformer, before: list, ids: list, after: list, window: int
) -> list:
    """The state of every id: special tokens and prompt, the text's own, special tokens."""
    room = window - len(before) - len(after)
    overlap = min(room // 4, 256)
    reaches = [(0, min(room, len(ids)))]
    while reaches[-1][1] < len(ids):
        last = min(reaches[-1][0] + room - overlap + room, len(ids))
        reaches.append((last - room, last))
    runs = []
    for first, last in reaches:
        row = torch.tensor([before + ids[first:last] + after])
        with torch.inference_mode():
            out = model[0]({"input_ids": row, "attention_mask": torch.ones_like(row)})
        runs.append(out["token_embeddings"][0].float())
    own = []
    for token in range(len(ids)):
        # A token in the very middle belongs to the later window.
        _, number = max(
            (distance_of(token, reach, len(ids)), number)
            for number, reach in enumerate(reaches)
            if reach[0] <= token < reach[1]
        )
        own.append(runs[number][len(before) + token - reaches[number][0]])
    return [*runs[0][: len(before)], *own, *runs[-1][len(runs[-1]) - len(after) :]]


def distance_of(token: int, reach: tuple[int, int], count: int) -> float:
    """How far a token is from where its window cuts the text off."""
    first, last = reach
    left = token + 0.5 - first if first > 0 else np.inf
    right = last - token - 0.5 if last < count else np.inf
    return min(left, right)


def main() -> None:
    """Read the arguments and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minilm", type=Path, required=True, help="folder of all-MiniLM's files")
    arguments = parser.parse_args()
    models = {
        "minilm": (arguments.minilm, ""),
        "gemma": (HERE / "matryoshka", "title: none | text: "),
    }
    arrays = {}
    for name, (folder, prompt) in models.items():
        model = SentenceTransformer(
            str(folder), device="cpu", model_kwargs={"dtype": torch.float32}
        )
        for case, (text, spans) in CASES.items():
            arrays[f"{name}/{case}"] = late_chunks(model, text, spans, prompt).astype(np.float32)
        # The reference's own vector of a text alone is that of its only span.
        words = " ".join(SHORT.split()[:6])
        found = late_chunks(model, words, [(0, len(words))], prompt)
        own = model.encode([words], prompt=prompt, show_progress_bar=False)
        if np.abs(own - found).max() > 1e-5:
            raise SystemExit(f"{name}: a text of one span has another vector alone.")
    np.savez_compressed(HERE / "late_chunking.npz", **arrays)
    record = {
        "versions": {name: version(name) for name in PACKAGES},
        "cases": {name: {"text": text, "spans": spans} for name, (text, spans) in CASES.items()},
    }
    (HERE / "late_chunking.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
