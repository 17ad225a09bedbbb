"""RoBERTa (Liu et al., 2019, arXiv:1907.11692) and XLM-RoBERTa (Conneau et al., 2019, 1911.02116).

BERT with positions counted like fairseq. CamemBERT (Martin et al., 2019, arXiv:1911.03894) is
RoBERTa.
"""

from collections.abc import Mapping
from typing import Any

from bindery.engines.graphs import bert, parts
from bindery.engines.weights import Weights


def build(config: Mapping[str, Any], weights: Weights) -> parts.Body:
    """Positions start at pad_token_id + 1 and skip padding ids."""
    ids, mask = parts.inputs()
    places = parts.positions_after(config["pad_token_id"], ids)
    hidden = bert.encoder(ids, mask, places, config, weights)
    longest = config["max_position_embeddings"] - config["pad_token_id"] - 1
    return parts.Body(parts.model(hidden, ids, mask), longest)
