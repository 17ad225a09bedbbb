"""OpenVINO on the CPU: the default engine, without torch."""

import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from bindery.checkpoint import read_object
from bindery.engines.base import HiddenStates, Precision, TokenIds, check_vocabulary
from bindery.engines.graphs import build
from bindery.engines.graphs.parts import Body
from bindery.engines.quantisation import Calibration, fingerprint, quantise
from bindery.engines.runtime import CompiledModel, Core, Graph, ov
from bindery.engines.weights import Tensor, Weights
from bindery.errors import EngineError

# The latency path needs a second compiled copy of the weights: only for models as small as MiniLM.
SMALL_PARAMETERS = 64 * 1024 * 1024
# The products of a larger model are large enough to share among a few cores. At BERT-base's size on
# two cores, one stream has 2 to 5 % less throughput than two, answers a query of 32 tokens in 60 %
# of the time, and needs the weights only once.
_CORES_A_STREAM = 4

_BATCH_TOKENS = 1024

# Added to the niceness of bulk threads, so that they have a tenth of the weight of a query on the
# same core. Under bulk load on two cores, this halves the p50 of queries, reduces their p95 to
# three quarters, and makes bulk 6 % faster.
_NICENESS = 10


class OpenVinoEngine:
    """A compiled body.

    A small model is compiled twice: with one stream per core for bulk, and with all cores on one
    text for queries. A larger model is compiled once, with a few cores per text. Batches are small,
    so that their activations stay in a core's cache.

    Raises ModelBroken for files that are not a checkpoint, and UnsupportedModel for an architecture
    without a graph.
    """

    batch_tokens = _BATCH_TOKENS

    def __init__(
        self, folder: Path, *, precision: Precision = Precision.AUTO, threads: int | None = None
    ) -> None:
        core = ov.Core()
        self._threads = threads or available_cores()
        self.precision = effective_precision(core, precision)
        config = read_object(folder / "config.json")
        weights = Weights(folder, narrow=self.precision is Precision.BFLOAT16)
        # Compiling may release the graph's constants, so each compilation needs its own graph.
        body = _body(config, weights, self.precision)
        self._vocabulary, self._longest = int(config["vocab_size"]), body.longest
        is_small = weights.parameters() <= SMALL_PARAMETERS
        self.streams = self._threads if is_small else max(1, self._threads // _CORES_A_STREAM)
        has_quick_path = self._threads > 1 and is_small
        compile_bulk = partial(self._compile, core, body.graph, weights, streams=self.streams)
        self._bulk = _at_lower_priority(compile_bulk) if has_quick_path else compile_bulk()
        self._quick = self._bulk
        if has_quick_path:
            body = _body(config, weights, self.precision)
            self._quick = self._compile(core, body.graph, weights, streams=1)
        # The compiled model has its own copy of the weights, so free the mapped ones.
        weights.forget_pages()

    def hidden_states(self, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        """See Engine."""
        self._check(ids, mask)
        return self._bulk.run(ids, mask)

    def hidden_states_quickly(self, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        """See Engine."""
        self._check(ids, mask)
        return self._quick.run(ids, mask)

    def close(self) -> None:
        """See Engine."""
        self._bulk.close()
        self._quick.close()

    def _check(self, ids: TokenIds, mask: TokenIds) -> None:
        # OpenVINO returns zeros for ids and positions beyond their table, so check here.
        check_vocabulary(ids, self._vocabulary)
        if self._longest is None or ids.shape[1] <= self._longest:
            return
        beyond = slice(self._longest, None)
        if (
            ids[:, beyond].any() or mask[:, beyond].any()
        ):  # padding to a rounded length may exceed it
            raise EngineError(
                f"A text is longer than the model's maximum of {self._longest} tokens.",
                remedy="Truncate it, or choose a model with a longer window.",
            )

    def _compile(self, core: Core, graph: Graph, weights: Weights, *, streams: int) -> "_Compiled":
        is_int8 = self.precision is Precision.INT8
        # The precision of everything except 8-bit products.
        other = effective_precision(core, Precision.AUTO) if is_int8 else self.precision
        options = {
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": streams,
            "INFERENCE_PRECISION_HINT": other.value,
        }
        compiled = _Compiled(core.compile_model(graph, "CPU", options), weights, streams)
        one = np.ones((1, 1), dtype=np.int32)
        compiled.run(one, one)  # reorders the weights, which takes as long as 50 short texts
        return compiled


class ObservingEngine:
    """An Engine in float32 that observes values while texts run, before a model is quantised.

    ``observe`` adds outputs to the graph. ``join(old, new, part)`` merges the previous value of an
    output with that of a batch, which has the share ``part`` of all tokens so far. Raises the same
    errors as :class:`OpenVinoEngine`.
    """

    precision = Precision.FLOAT32
    streams = 1
    batch_tokens = _BATCH_TOKENS

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


class _Compiled:
    """A compiled model with one request per stream; further calls wait."""

    def __init__(self, model: CompiledModel, weights: Weights, streams: int) -> None:
        self._streams = streams
        self._requests: SimpleQueue[Any] = SimpleQueue()
        self._weights = weights  # the model's constants point into its memory
        for _ in range(streams):
            self._requests.put(model.create_infer_request())

    def run(self, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        request = self._requests.get()
        if request is None:
            self._requests.put(None)
            raise EngineError("The engine is closed.", remedy="Load the model again.")
        try:
            # share_inputs and share_outputs stay off: with them OpenVINO 2026.4.1 corrupted the
            # heap when shapes changed between calls. Copying costs under 1 % of a batch.
            return request.infer([ids, mask])[0]
        except RuntimeError as error:
            raise EngineError(
                f"OpenVINO failed on a batch of shape {ids.shape}: {error}"
            ) from error
        finally:
            self._requests.put(request)

    def close(self) -> None:
        for _ in range(self._streams):  # wait for running calls
            if self._requests.get() is None:
                break
        self._requests.put(None)


def _at_lower_priority(compile_: Callable[[], _Compiled]) -> _Compiled:
    """Compile in a thread of lower priority, which the threads of the compiled model inherit.

    Only Linux has priorities per thread, and a process may always lower its own.
    """

    def run() -> _Compiled:
        if sys.platform == "linux":
            thread = threading.get_native_id()
            niceness = os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS
            os.setpriority(os.PRIO_PROCESS, thread, niceness)
        return compile_()

    with ThreadPoolExecutor(1) as starter:
        return starter.submit(run).result()


def available_cores() -> int:
    """The cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def effective_precision(core: Core, precision: Precision) -> Precision:
    """The precision to compute with for a given one; never ``AUTO``."""
    if precision is not Precision.AUTO:
        return precision
    fast = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return Precision.BFLOAT16 if fast else Precision.FLOAT32


def _body(config: Mapping[str, Any], weights: Weights, precision: Precision) -> Body:
    body = build(config, weights)
    if precision is Precision.INT8:
        quantise(body.graph, Calibration.read(weights.folder, fingerprint(body.graph)))
    return body
