"""Encoders over the real small model and over the tiny checkpoints."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from tests.encoders.fault_server import FaultServer
from tests.encoders.remote_rows import Clock

from bindery.encoders.dense import DenseEncoder
from bindery.encoders.loading import load_encoder
from bindery.models.layouts import read_layout
from bindery.options import ModelOptions

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture(scope="session", params=["f32", "bf16"])
def precision(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def minilm(minilm_folder: Path) -> Generator[DenseEncoder]:
    """All-MiniLM in float32."""
    encoder = load_encoder(read_layout(minilm_folder), ModelOptions(precision="f32"))
    yield encoder
    encoder.close()


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """A vendor's server that misbehaves as its script says."""
    with FaultServer() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()
