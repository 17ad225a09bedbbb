"""An engine that measures values inside the graph, for calibration."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bindery.checkpoint import read_object
from bindery.engines.base import HiddenStates, Precision, TokenIds
from bindery.engines.graphs import build
from bindery.engines.openvino import available_cores
from bindery.engines.quantisation import fingerprint
from bindery.engines.runtime import Graph, ov
from bindery.engines.weights import Tensor, Weights
from bindery.errors import EngineError


class ObservingEngine:
    """An Engine in float32 that observes values while texts run, before a model is quantised.

    ``observe`` adds outputs to the graph. ``join(old, new, part)`` merges the previous value of an
    output with that of a batch, which has the share ``part`` of all tokens so far. Raises the same
    errors as :class:`bindery.engines.openvino.OpenVinoEngine`.
    """

    def __init__(
        self,
        folder: Path,
        observe: Callable[[Graph], None],
        join: Callable[[Tensor, Tensor, float], Tensor],
        *,
        threads: int | None = None,
    ) -> None:
        weights = Weights(folder)
        graph = build(read_object(folder / "config.json"), weights).graph
        self.fingerprint = fingerprint(graph)
        """The fingerprint of the observed graph."""
        self.seen: list[Tensor] = []
        """The value of each added output; empty before the first batch."""
        observe(graph)
        options = {
            "INFERENCE_NUM_THREADS": threads or available_cores(),
            "INFERENCE_PRECISION_HINT": Precision.FLOAT32.value,
        }
        self._weights = weights  # the graph's constants point into its memory
        self._request: Any = ov.Core().compile_model(graph, "CPU", options).create_infer_request()
        self._join = join
        self._running = threading.Lock()
        self._tokens = 0

    @property
    def precision(self) -> Precision:
        """Always float32."""
        return Precision.FLOAT32

    @property
    def streams(self) -> int:
        """One: calibration needs no concurrency."""
        return 1

    @property
    def batch_tokens(self) -> int:
        """See Engine."""
        return 1024

    def hidden_states(self, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        """See Engine."""
        with self._running:
            if self._request is None:
                raise EngineError("The engine is closed.", remedy="Load the model again.")
            hidden, *new = self._request.infer([ids, mask]).to_tuple()
            self._tokens += ids.size
            part = ids.size / self._tokens
            joined = zip(self.seen or new, new, strict=True)
            self.seen = [self._join(old, found, part) for old, found in joined]
        return hidden

    def hidden_states_quickly(self, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        """The same."""
        return self.hidden_states(ids, mask)

    def close(self) -> None:
        """See Engine. The observed values remain."""
        self._request = None
