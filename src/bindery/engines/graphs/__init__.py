"""Model bodies as OpenVINO graphs, built from a checkpoint's tensors and its config.json.

One file per architecture, named by the ``model_type`` of the configuration.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from openvino import Model

from bindery.engines.graphs import bert
from bindery.engines.weights import Weights
from bindery.errors import UnsupportedModel

Builder: TypeAlias = Callable[[Mapping[str, Any], Weights], Model]

GRAPHS: Mapping[str, Builder] = {"bert": bert.build}


def build(config: Mapping[str, Any], weights: Weights) -> Model:
    """The graph of a checkpoint: ids and mask (b, s) int32 in, hidden states (b, s, d) float32 out.

    Raises UnsupportedModel for an architecture without a graph, naming it.
    """
    architecture = str(config.get("model_type"))
    if architecture not in GRAPHS:
        raise UnsupportedModel(
            f"Models of the architecture {architecture!r} cannot be run.",
            remedy=f"Known: {', '.join(GRAPHS)}.",
        )
    return GRAPHS[architecture](config, weights)
