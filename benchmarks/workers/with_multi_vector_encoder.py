"""sentence-transformers' late-interaction models on torch, CPU."""
# pyright: basic, reportMissingImports=false

import argparse
import os

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from protocol import serve
from sentence_transformers import MultiVectorEncoder

DEFAULT_BATCH_SIZE = 32


class Reference:
    """The library as its users call it."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        torch.set_num_threads(arguments.threads)
        dtype = getattr(torch, arguments.precision)
        self.model = MultiVectorEncoder(
            str(arguments.model), device="cpu", model_kwargs={"dtype": dtype}
        )

    def encode(self, texts: list[str], batch_size: int | None) -> np.ndarray:
        """The vectors of all documents' tokens, one after the other."""
        found = self.model.encode_document(
            texts, batch_size=batch_size or DEFAULT_BATCH_SIZE, show_progress_bar=False
        )
        return np.concatenate([_numpy(vectors) for vectors in found])

    def encode_query(self, text: str) -> np.ndarray:
        """The vectors of one query's tokens."""
        return _numpy(self.model.encode_query([text], show_progress_bar=False)[0])

    def count_tokens(self, texts: list[str]) -> list[int]:
        """Token counts as the model sees them, with the marker."""
        sees = [self.model.preprocess([text], task="document") for text in texts]
        return [int(features["attention_mask"].sum()) for features in sees]


def _numpy(vectors: np.ndarray | torch.Tensor) -> np.ndarray:
    return vectors.float().numpy() if isinstance(vectors, torch.Tensor) else np.asarray(vectors)


if __name__ == "__main__":
    serve(Reference, ["sentence-transformers", "transformers", "tokenizers", "torch", "numpy"])
