"""OpenVINO on the processor: the default engine, without torch."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

from bindery.engines.base import HiddenStates, Precision, TokenIds
from bindery.engines.graphs import build
from bindery.engines.runtime import CompiledModel, Core, Graph, ov
from bindery.engines.weights import Weights
from bindery.errors import EngineError, ModelBroken

# The quick path is a second compiled copy of the weights: worth it for models as small as MiniLM.
_QUICK_PATH_LARGEST_BYTES = 256 * 1024 * 1024


class OpenVinoEngine:
    """A body compiled twice: one stream per core for bulk, and every core on one text for a query.

    Raises ModelBroken for files that are not a checkpoint, UnsupportedModel for an architecture
    without a graph.
    """

    def __init__(
        self, folder: Path, *, precision: Precision = Precision.AUTO, threads: int | None = None
    ) -> None:
        core = ov.Core()
        self._threads = threads or available_cores()
        self._precision = _effective(core, precision)
        config = _read_config(folder)
        # Compiling may release the graph's constants, so each compilation gets a graph of its own.
        self._bulk = self._compile(core, build(config, Weights(folder)), streams=self._threads)
        self._quick = self._bulk
        if self._threads > 1 and _weight_bytes(folder) <= _QUICK_PATH_LARGEST_BYTES:
            self._quick = self._compile(core, build(config, Weights(folder)), streams=1)
        self._vocabulary = int(config["vocab_size"])

    @property
    def precision(self) -> Precision:
        """What it computes in."""
        return self._precision

    @property
    def streams(self) -> int:
        """One per core."""
        return self._threads

    def hidden_states(self, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        """See Engine."""
        self._check(ids)
        return self._bulk.run(ids, mask)

    def hidden_states_quickly(self, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        """See Engine."""
        self._check(ids)
        return self._quick.run(ids, mask)

    def close(self) -> None:
        """See Engine."""
        self._bulk.close()
        self._quick.close()

    def _check(self, ids: TokenIds) -> None:
        # OpenVINO takes an id beyond the table for a row of zeros.
        largest = int(ids.max(initial=0))
        if largest >= self._vocabulary:
            raise EngineError(
                f"Token id {largest} is beyond the {self._vocabulary} that the model knows.",
                remedy="Its tokenizer.json belongs to another model.",
            )

    def _compile(self, core: Core, model: Graph, *, streams: int) -> "_Compiled":
        options = {
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": streams,
            "INFERENCE_PRECISION_HINT": self._precision.value,
        }
        return _Compiled(core.compile_model(model, "CPU", options), streams)


class _Compiled:
    """A compiled model and its requests: as many calls at once as it has streams, others wait."""

    def __init__(self, model: CompiledModel, streams: int) -> None:
        self._streams = streams
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(streams):
            self._requests.put(model.create_infer_request())

    def run(self, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        request = self._requests.get()
        if request is None:
            self._requests.put(None)
            raise EngineError("The engine was closed.", remedy="Load the model again.")
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
        for _ in range(self._streams):  # waits for the calls that are under way
            if self._requests.get() is None:
                break
        self._requests.put(None)


def available_cores() -> int:
    """The cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _effective(core: Core, precision: Precision) -> Precision:
    if precision is not Precision.AUTO:
        return precision
    fast = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return Precision.BFLOAT16 if fast else Precision.FLOAT32


def _read_config(folder: Path) -> Mapping[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelBroken(f"{folder} has no config.json.") from error
    except ValueError as error:
        raise ModelBroken(f"{path} is not JSON: {error}.") from error
    if not isinstance(config, dict):
        raise ModelBroken(f"{path} is not an object.")
    return cast("dict[str, Any]", config)


def _weight_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
