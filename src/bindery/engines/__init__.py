"""Token ids in, hidden states out.

An engine knows nothing about text, pooling or prompts.
"""

from bindery.engines.base import Engine, Precision
from bindery.engines.selection import EngineName, open_engine

__all__ = ["Engine", "EngineName", "Precision", "open_engine"]
