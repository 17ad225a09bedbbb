"""The tokenisers as fixtures."""

from pathlib import Path

import pytest
from tests.chunking.tokenisers import TOKENISERS, WordPiece

from bindery.chunking import OffsetTokeniser


@pytest.fixture(scope="session", params=TOKENISERS)
def tokeniser(request: pytest.FixtureRequest, minilm_folder: Path) -> OffsetTokeniser:
    """Each tokeniser in turn."""
    return TOKENISERS[request.param](minilm_folder)


@pytest.fixture(scope="session")
def wordpiece(minilm_folder: Path) -> WordPiece:
    """BERT's."""
    return WordPiece(minilm_folder)
