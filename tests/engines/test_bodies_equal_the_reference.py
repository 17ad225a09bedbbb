"""Every architecture's hidden states are those of transformers, on tiny rough checkpoints."""

import gc

import numpy as np
import openvino as ov
import pytest
from tests.engines.bodies import (
    BODIES,
    CASES,
    CHECKPOINTS,
    LOOK_BOTH_WAYS,
    body,
    config,
    golden,
    open_body,
)

from bindery.engines.graphs import GRAPHS

# Numbers are of the order of 1 to 5; float32 is off by 2e-6 in most bodies, 2e-5 in ModernBERT.
TOLERANCE = 5e-5


@pytest.mark.parametrize(("name", "side"), CASES)
def test_hidden_states_are_the_references(name: str, side: str) -> None:
    known = golden(name, side)

    found = body(name).hidden_states(known.ids, known.mask)

    assert np.abs(found - known.hidden)[known.attended].max() <= TOLERANCE
    assert np.isfinite(found).all()
    # Had the checkpoint gone soft, every state would look like every other.
    assert known.hidden[known.attended].std(axis=0).mean() > 0.05


@pytest.mark.parametrize("name", LOOK_BOTH_WAYS)
def test_states_at_padding_are_the_references_too(name: str) -> None:
    """ColBERT's queries use them: nobody looks at a [MASK] put in, but it looks at the text."""
    known = golden(name)
    assert not known.attended.all()

    found = body(name).hidden_states(known.ids, known.mask)

    assert np.abs(found - known.hidden).max() <= TOLERANCE


@pytest.mark.skipif(
    "BF16" not in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"),
    reason="this processor has no bfloat16",
)
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_bfloat16_stays_near(name: str) -> None:
    known = golden(name)
    engine = open_body(BODIES / name, "bf16")
    gc.collect()  # whatever the graph was built from and nobody holds any more is gone

    found = engine.hidden_states(known.ids, known.mask)[known.attended]

    expected = known.hidden[known.attended]
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    cosines = (found * expected).sum(axis=1) / lengths
    assert cosines.mean() >= 0.995


def test_every_architecture_has_a_checkpoint() -> None:
    assert {config(BODIES / name)["model_type"] for name in CHECKPOINTS} == set(GRAPHS)
