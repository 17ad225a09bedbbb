"""fastembed on ONNX Runtime, CPU; ``--model`` is an ONNX file in a folder with its tokenizer."""
# pyright: basic, reportMissingImports=false

import argparse
import os

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
from protocol import serve

NAME = "bench/all-minilm-l6-v2"
DEFAULT_BATCH_SIZE = 256


class FastEmbed:
    """The library as its users call it, on a custom model."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        TextEmbedding.add_custom_model(
            NAME,
            pooling=PoolingType.MEAN,
            normalization=True,
            sources=ModelSource(hf=NAME),
            dim=384,
            model_file=arguments.model.name,
        )
        self.model = TextEmbedding(
            NAME,
            threads=arguments.threads,
            providers=["CPUExecutionProvider"],
            specific_model_path=str(arguments.model.parent),
        )

    def encode(self, texts: list[str], batch_size: int | None) -> np.ndarray:
        """Vectors of documents."""
        return np.stack(list(self.model.embed(texts, batch_size=batch_size or DEFAULT_BATCH_SIZE)))

    def encode_query(self, text: str) -> np.ndarray:
        """The vector of one query."""
        return next(iter(self.model.query_embed(text)))

    def count_tokens(self, texts: list[str]) -> list[int]:
        """Token counts as the model sees them."""
        tokenizer = self.model.model.tokenizer
        return [sum(tokenizer.encode(text).attention_mask) for text in texts]


if __name__ == "__main__":
    serve(FastEmbed, ["fastembed", "onnxruntime", "tokenizers", "numpy"])
