"""Model bodies as OpenVINO graphs, built from a checkpoint's tensors and its config.json.

One file per architecture, named by the ``model_type`` of the configuration.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from bindery.engines.graphs import bert
from bindery.engines.runtime import Graph
from bindery.engines.weights import Weights
from bindery.errors import ModelBroken, UnsupportedModel

Builder: TypeAlias = Callable[[Mapping[str, Any], Weights], Graph]

GRAPHS: Mapping[str, Builder] = {"bert": bert.build}


def build(config: Mapping[str, Any], weights: Weights) -> Graph:
    """The graph of a checkpoint: ids and mask (b, s) int32 in, hidden states (b, s, d) float32 out.

    Raises UnsupportedModel for an architecture without a graph, naming it, and ModelBroken where
    the tensors are not those that the configuration describes.
    """
    architecture = str(config.get("model_type"))
    if architecture not in GRAPHS:
        raise UnsupportedModel(
            f"Models of the architecture {architecture!r} cannot be run.",
            remedy=f"Known: {', '.join(GRAPHS)}.",
        )
    try:
        return GRAPHS[architecture](config, weights)
    except KeyError as error:  # a missing tensor is a ModelBroken already
        raise ModelBroken(f"The config.json of {weights.folder} has no {error}.") from error
    except (RuntimeError, TypeError, ValueError, ArithmeticError) as error:
        # OpenVINO has nothing finer for shapes and settings that do not go together.
        raise ModelBroken(
            f"The tensors of {weights.folder} are not those that its config.json describes: {error}"
        ) from error
