"""Bindery, in the repository's environment, on the same model folder as the reference."""
# pyright: basic

import argparse

import numpy as np
from protocol import serve

import bindery

PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "int8": "int8"}


class Bindery:
    """The library as its users call it."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.encoder = bindery.load(
            arguments.model, precision=PRECISIONS[arguments.precision], threads=arguments.threads
        )

    def encode(self, texts: list[str], batch_size: int | None) -> np.ndarray:
        """Vectors of documents; Bindery chooses its batches itself."""
        del batch_size
        return self.encoder.encode(texts, role="document").rows

    def encode_query(self, text: str) -> np.ndarray:
        """The vector of one query, or those of its tokens."""
        return self.encoder.encode([text], role="query").rows

    def count_tokens(self, texts: list[str]) -> list[int]:
        """Token counts as the model sees them."""
        return self.encoder.encode_counted(texts, role="document").tokens_used.tolist()


if __name__ == "__main__":
    serve(Bindery, ["bindery", "openvino", "tokenizers", "numpy"])
