"""Texts in, Embeddings out."""

from bindery.encoders.base import Encoded, Encoder

__all__ = ["Encoded", "Encoder"]
