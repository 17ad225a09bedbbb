"""A batch through the engine, and whether what comes out is what was asked for."""

from typing import TypeAlias

import numpy as np

from bindery.encoders.scheduling.calls import Batch, Vectors
from bindery.encoders.scheduling.padding import padded
from bindery.engines import Engine
from bindery.errors import EngineError

Outcome: TypeAlias = list[Vectors | BaseException] | BaseException
"""Of each text what was made of it, or why it failed; or why the whole batch did."""


class BatchRunner:
    """An engine, and what a batch for it looks like.

    ``width`` is how many values its hidden states have; ``attends_to_expansion`` is as
    :func:`padded` has it.
    """

    def __init__(self, engine: Engine, width: int, *, attends_to_expansion: bool = False) -> None:
        self._engine = engine
        self._width = width
        self._attends = attends_to_expansion

    @property
    def streams(self) -> int:
        """See Engine."""
        return self._engine.streams

    @property
    def batch_tokens(self) -> int:
        """See Engine."""
        return self._engine.batch_tokens

    def run(self, batch: Batch, *, quickly: bool = False) -> Outcome:
        """Run a batch; ``quickly`` with all of the engine on it. Raises nothing."""
        try:
            return self._run(batch, quickly=quickly)
        except BaseException as error:  # noqa: BLE001 - also what a runtime in Rust or C++ raises
            return error

    def close(self) -> None:
        """See Engine."""
        self._engine.close()

    def _run(self, batch: Batch, *, quickly: bool) -> list[Vectors | BaseException]:
        tokens = [text.tokens for text in batch.texts]
        ids, mask = padded(tokens, batch.length, attends_to_expansion=self._attends)
        engine = self._engine
        hidden = (engine.hidden_states_quickly if quickly else engine.hidden_states)(ids, mask)
        if hidden.shape != (*ids.shape, self._width):
            raise EngineError(
                f"hidden states of shape {hidden.shape} came, not {(*ids.shape, self._width)}."
            )
        # What overflows is found below, where it has a place.
        with np.errstate(over="ignore", invalid="ignore"):
            found = batch.readout(hidden, mask, tokens)
        if len(found) != len(tokens):
            raise EngineError(f"{len(found)} results came of {len(tokens)} texts.")
        return [one if _is_finite(one) else _not_finite() for one in found]


def _is_finite(vectors: Vectors) -> bool:
    return all(np.isfinite(values).all() for values in vectors)


def _not_finite() -> EngineError:
    return EngineError(
        "its vector holds values that are not finite.",
        remedy="Try precision f32; if that fails too, the checkpoint is broken.",
    )
