"""What tests of several faces share."""

import logging
import threading
from collections.abc import Iterator

import pytest


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Python's logging is put back as it was before the test."""
    root, hook = logging.getLogger(), threading.excepthook
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], threading.excepthook = handlers, hook
    root.setLevel(level)
    logging.getLogger("bindery").setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)
