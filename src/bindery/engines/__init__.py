"""Token ids in, hidden states out.

An engine knows nothing of text, pooling or prompts.
"""

from bindery.engines.base import Engine, Precision

__all__ = ["Engine", "Precision"]
