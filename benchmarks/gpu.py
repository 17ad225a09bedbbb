"""Speed on a GPU: Bindery's engine torch beside plain sentence-transformers, in bfloat16.

    make test-torch                                       # creates .venv-torch
    .venv-torch/bin/python benchmarks/gpu.py FOLDER       # a model's folder; --device cuda:0

Both run in this process on the same folder and the same random words, in alternating rounds, after
their vectors were compared. IT HAS NOT BEEN RUN on a CUDA device: none was available. It has been
run with ``--device cpu``, which shows that it works but says nothing about speed.
"""
# pyright: basic, reportMissingImports=false

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

import bindery
from metrics import cosines

DTYPES = {"bf16": torch.bfloat16, "f32": torch.float32}
SMALLEST_COSINE = {"bf16": 0.999, "f32": 0.99999}
BATCH_SIZES = (64, 256, 1024)
WORDS = [
    "paper",
    "shelf",
    "spine",
    "chunk",
    "vector",
    "index",
    "binding",
    "fragile",
    "code",
    "place",
]

Encode = Callable[[list[str]], np.ndarray]


def main() -> None:
    """Compare vectors, then time; print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", choices=list(DTYPES), default="bf16")
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    texts = made_up(arguments.texts)
    peers = contestants(arguments)
    compare(peers, texts[:200], SMALLEST_COSINE[arguments.precision])

    rates: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(arguments.rounds):
        for name, encode in peers.items():
            rates[name].append(len(texts) / seconds(encode, texts))
    json.dump(
        {
            "device": device_name(arguments.device),
            "precision": arguments.precision,
            "texts_per_s": {
                name: round(statistics.median(each), 1) for name, each in rates.items()
            },
        },
        sys.stdout,
        indent=1,
    )


def contestants(arguments: argparse.Namespace) -> dict[str, Encode]:
    """Bindery, which chooses its batches, and sentence-transformers with several batch sizes."""
    ours = bindery.load(
        arguments.folder, engine="torch", device=arguments.device, precision=arguments.precision
    )
    theirs = SentenceTransformer(
        str(arguments.folder),
        device=arguments.device,
        local_files_only=True,
        model_kwargs={"dtype": DTYPES[arguments.precision]},
    )

    def encode(texts: list[str], size: int) -> np.ndarray:
        return (
            theirs.encode_document(texts, batch_size=size, convert_to_tensor=True)
            .float()
            .cpu()
            .numpy()
        )

    peers: dict[str, Encode] = {"bindery": lambda texts: ours.encode(texts, "document").rows}
    for size in BATCH_SIZES:
        peers[f"sentence-transformers, batches of {size}"] = lambda texts, n=size: encode(texts, n)
    return peers


def compare(peers: dict[str, Encode], texts: list[str], least: float) -> None:
    """Exit if the vectors differ: then there is nothing to time."""
    ours, *others = (encode(texts) for encode in peers.values())
    for theirs in others:
        worst = float(cosines(ours, theirs).min())
        if not worst >= least:
            sys.exit(f"The vectors differ: the smallest cosine is {worst:.5f}.")


def seconds(encode: Encode, texts: list[str]) -> float:
    """Seconds of one pass over the texts, until the vectors are on the CPU."""
    started = time.perf_counter()
    encode(texts)
    return time.perf_counter() - started


def made_up(number: int) -> list[str]:
    """Texts of 5 to 200 words, most of them with about 100."""
    chance = random.Random(0)
    lengths = (int(chance.triangular(5, 200, 100)) for _ in range(number))
    return [" ".join(chance.choices(WORDS, k=length)) for length in lengths]


def device_name(device: str) -> str:
    """The device and versions of the measurement."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


if __name__ == "__main__":
    main()
