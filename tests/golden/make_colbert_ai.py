"""Make the golden file of colbert-ai, the reference of the Stanford layout.

It needs an environment of its own, since colbert-ai 0.2.22 runs with transformers 4 alone:

    python3.11 -m venv colbert && colbert/bin/pip install torch==2.13.0
    colbert/bin/pip install sentence-transformers==5.3.0 transformers==4.57.6
    colbert/bin/pip install --no-deps colbert-ai==0.2.22
    colbert/bin/pip install bitarray flask GitPython python-dotenv ninja scipy tqdm ujson
    colbert/bin/python make_colbert_ai.py

It reads ``late/stanford`` and ``late.json`` of ``make_late.py``, which runs first. For both of its
Stanford variants V, and the ordinary texts and those that spell special tokens out (n in all),
``colbert_ai.npz`` has the arrays of ``late.npz``: ``V/R/ids``, ``attended``, ``kept``, ``offsets``,
``vectors``, ``rows`` and ``V/scores``.
"""
# pyright: basic, reportMissingImports=false, reportArgumentType=false

import json
import os
import shutil
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from colbert.infra import ColBERTConfig
from colbert.modeling.checkpoint import Checkpoint

HERE = Path(__file__).parent


def main() -> None:
    """Write the golden file."""
    record = json.loads((HERE / "late.json").read_text())
    texts = [*record["texts"].values(), *record["special_texts"].values()]
    arrays: dict[str, np.ndarray] = {}
    for name, variant in record["variants"].items():
        if variant["checkpoint"] != "stanford":
            continue
        with tempfile.TemporaryDirectory() as scratch:
            folder = shutil.copytree(HERE / "late" / "stanford", Path(scratch) / "stanford")
            for file, change in variant["changes"].items():
                found = json.loads((folder / file).read_text())
                (folder / file).write_text(json.dumps(found | change))
            settings = ColBERTConfig.load_from_checkpoint(str(folder))
            checkpoint = Checkpoint(str(folder), colbert_config=settings, verbose=0)
            if not settings.mask_punctuation:
                checkpoint.skiplist = {}  # it forgets to make one, and fails on documents
            made = golden(checkpoint, texts)
        arrays |= {f"{name}/{key}": value for key, value in made.items()}
    np.savez_compressed(HERE / "colbert_ai.npz", **arrays)


def golden(checkpoint: Checkpoint, texts: list[str]) -> dict[str, np.ndarray]:
    """Tokens, vectors and scores of the texts in both roles, each text on its own."""
    arrays: dict[str, np.ndarray] = {}
    found: dict[str, list[torch.Tensor]] = {}
    for role in ("query", "document"):
        ids, attended, kept, vectors = [], [], [], []
        for text in texts:
            tokenizer = checkpoint.query_tokenizer if role == "query" else checkpoint.doc_tokenizer
            tokens, mask = (part[0] for part in tokenizer.tensorize([text]))
            skipped = checkpoint.skiplist if role == "document" else {}
            keeps = np.array(checkpoint.mask(tokens[None], skiplist=skipped)[0], dtype=bool)
            ids.append(tokens.numpy().astype(np.int32))
            attended.append(mask.numpy().astype(bool))
            kept.append(keeps)
            if role == "query":
                vectors.append(checkpoint.queryFromText([text])[0].float())
            else:
                vectors.append(checkpoint.docFromText([text], keep_dims=False)[0].float())
            assert len(vectors[-1]) == keeps.sum(), (role, text)
        found[role] = vectors
        arrays |= {
            f"{role}/ids": np.concatenate(ids),
            f"{role}/attended": np.concatenate(attended),
            f"{role}/kept": np.concatenate(kept),
            f"{role}/offsets": offsets(ids),
            f"{role}/vectors": torch.cat(vectors).numpy(),
            f"{role}/rows": offsets(vectors),
        }
    arrays["scores"] = np.array(
        [
            [float((query @ document.T).max(dim=1).values.sum()) for document in found["document"]]
            for query in found["query"]
        ],
        dtype=np.float32,
    )
    return arrays


def offsets(texts: list) -> np.ndarray:
    """Where each text begins in their concatenation, and the end."""
    return np.cumsum([0, *map(len, texts)], dtype=np.int64)


if __name__ == "__main__":
    main()
