"""Model bodies as OpenVINO graphs, built from a checkpoint's tensors and its config.json.

One file per family of architectures. Shared parts are in ``parts`` (settings, tables, products,
norms), ``attention`` and ``rotary``.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from bindery.engines.graphs import (
    bert,
    gemma3,
    modernbert,
    mpnet,
    nomic_bert,
    qwen3,
)
from bindery.engines.graphs.parts import Body
from bindery.engines.weights import Weights
from bindery.errors import ModelBroken, UnsupportedModel

Builder: TypeAlias = Callable[[Mapping[str, Any], Weights], Body]

GRAPHS: Mapping[str, Builder] = {
    "bert": bert.build,
    "camembert": bert.build_roberta,
    "distilbert": bert.build_distilbert,
    "gemma3_text": gemma3.build,
    "modernbert": modernbert.build,
    "mpnet": mpnet.build,
    "nomic_bert": nomic_bert.build,
    "qwen3": qwen3.build,
    "roberta": bert.build_roberta,
    "xlm-roberta": bert.build_roberta,
}


def build(config: Mapping[str, Any], weights: Weights) -> Body:
    """Build the body of a checkpoint.

    Raises UnsupportedModel for an architecture without a graph, and ModelBroken if the tensors do
    not match the configuration.
    """
    architecture = str(config.get("model_type"))
    if architecture not in GRAPHS:
        raise UnsupportedModel(
            f"OpenVINO has no graph for models of the architecture {architecture!r}.",
            remedy=f"Known: {', '.join(GRAPHS)}.",
        )
    try:
        return GRAPHS[architecture](config, weights)
    except KeyError as error:  # a missing tensor already raises ModelBroken
        raise ModelBroken(f"The config.json of {weights.folder} has no {error}.") from error
    except (RuntimeError, TypeError, ValueError, ArithmeticError) as error:
        # OpenVINO has no more specific errors for inconsistent shapes and settings.
        raise ModelBroken(
            f"The tensors of {weights.folder} do not match its config.json: {error}"
        ) from error
