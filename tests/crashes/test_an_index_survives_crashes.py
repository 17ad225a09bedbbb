"""A short version of ``python -m tests.crashes`` for the index, with faults that it must find."""

import shutil
from pathlib import Path

import pytest
from tests.crashes import careless, indexing
from tests.crashes.endings import INDEX, kill_at_random, kill_at_storage_calls
from tests.crashes.writer import library_of

from bindery.search.segments import Segment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="it needs strace"),
]


def test_nothing_is_lost_or_found_again_after_kills_at_random(tmp_path: Path) -> None:
    outcome = kill_at_random(INDEX, tmp_path, tmp_path / "models", 4, 0, None)
    assert outcome.faults == []
    assert outcome.acknowledged > 0


def test_nothing_is_lost_or_found_again_after_kills_at_storage_calls(tmp_path: Path) -> None:
    outcome = kill_at_storage_calls(
        INDEX, tmp_path, tmp_path / "models", 0, None, range(40, 400, 60), rounds=12
    )
    assert outcome.faults == []
    assert outcome.endings >= 3


def test_an_early_acknowledgement_is_found(tmp_path: Path) -> None:
    outcome = kill_at_random(INDEX, tmp_path, tmp_path / "models", 20, 0, "early_acknowledgement")
    assert outcome.faults


def test_a_reader_without_tombstones_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, models = tmp_path / "home", tmp_path / "models"
    library = library_of(home, models)
    for number in range(6):
        indexing.work(library, 0, number)
    library.close()
    told = indexing.ToldIndex()
    assert indexing.check(home, models, 0, told, results=False) == []
    monkeypatch.setattr(Segment, "of_files", Segment.of_files)  # put back at the end
    careless.become("no_tombstones")
    assert indexing.check(home, models, 0, told, results=False)
