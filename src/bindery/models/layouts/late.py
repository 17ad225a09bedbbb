"""What the layouts of late-interaction models have in common."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bindery.models.card import Family, ModelCard, Pooling
from bindery.models.layouts import parts
from bindery.models.layouts.values import LateInteraction, Layout, Normalize, Step
from bindery.types import DOCUMENT, QUERY


def late_layout(
    folder: Path,
    body: Path,
    config: Mapping[str, Any],
    steps: tuple[Step, ...],
    late: LateInteraction,
    prompts: Mapping[str, str] | None = None,
) -> Layout:
    """The layout of what was read. Roles are two, for each has its own marker and length."""
    dimensions = parts.width_after(steps, parts.width_of(config))
    if dimensions is None:
        raise parts.without_width(config, body)
    said = prompts or {}
    card = ModelCard(
        id=folder.name,
        family=Family.LATE_INTERACTION,
        dimensions=dimensions,
        max_tokens=late.document_length,
        query_max_tokens=late.query_length,
        pooling=(Pooling.TOKENS,),
        normalised=any(isinstance(step, Normalize) for step in steps[-1:]),
        prompts={role: said.get(role, "") for role in (QUERY, DOCUMENT)},
    )
    return Layout(
        folder=folder,
        body=body,
        card=card,
        lower_case=bool(parts.settings_of(body).get("do_lower_case", False)),
        pools_prompt=True,
        steps=steps,
        late=late,
    )
