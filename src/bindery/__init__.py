"""Bindery turns documents into embeddings that can be searched, on your own machine."""

__version__ = "0.1.0"
