"""sentence-transformers on torch, CPU."""
# pyright: basic, reportMissingImports=false

import argparse
import os

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from protocol import serve
from sentence_transformers import SentenceTransformer

DEFAULT_BATCH_SIZE = 32


class Reference:
    """The library as its users call it."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        torch.set_num_threads(arguments.threads)
        dtype = getattr(torch, arguments.precision)
        self.model = SentenceTransformer(
            str(arguments.model), device="cpu", model_kwargs={"dtype": dtype}
        )

    def encode(self, texts: list[str], batch_size: int | None) -> np.ndarray:
        """Vectors of documents."""
        return self.model.encode_document(
            texts, batch_size=batch_size or DEFAULT_BATCH_SIZE, show_progress_bar=False
        )

    def encode_query(self, text: str) -> np.ndarray:
        """The vector of one query."""
        return self.model.encode_query(text, show_progress_bar=False)

    def count_tokens(self, texts: list[str]) -> list[int]:
        """Token counts as the model sees them."""
        return [int(self.model.preprocess([text])["attention_mask"].sum()) for text in texts]


if __name__ == "__main__":
    serve(Reference, ["sentence-transformers", "transformers", "tokenizers", "torch", "numpy"])
