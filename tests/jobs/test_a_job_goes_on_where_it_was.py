"""Whatever stops a job, and whenever: in the end everything is there, once."""

import itertools
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from tests.jobs.folders import Crash, Folder, check_vectors

from bindery.jobs.running import TRIES_ALONE
from bindery.library import Library
from bindery.options import ChunkOptions, VectorOptions
from bindery.types import Document

NAMES = st.sampled_from(["a.txt", "b.txt", "deep/c.txt", "d.md"])
SENTENCES = st.integers(0, 40).map(lambda n: f"Sheet number {n} of the folio was bound in calf.")
TEXTS = st.lists(SENTENCES, max_size=8).map("\n\n".join)


PARAGRAPHS = [
    f"Paragraph {n} tells of the binding of the book number {n * n} in its own words."
    for n in range(12)
]


class FolderMachine(RuleBasedStateMachine):
    """The folder beside an oracle of its texts; ``library`` is set where it is run."""

    library: ClassVar[Library]

    @initialize()
    def begin(self) -> None:
        self.place = tempfile.TemporaryDirectory()
        place = Path(self.place.name)
        self.folder = Folder(self.library, place / "in", place / "out")
        self.folder.out.mkdir()
        self.texts: dict[str, str] = {}
        self.write("a.txt", "The first leaf.")

    @rule(name=NAMES, text=TEXTS)
    def write(self, name: str, text: str) -> None:
        self.folder.write(name, text)
        self.texts[name] = text

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        if name in self.texts and len(self.texts) > 1:
            (self.folder.root / name).unlink()
            del self.texts[name]

    @rule(lives=st.integers(0, 9), keeps_last=st.booleans())
    def crash(self, lives: int, keeps_last: bool) -> None:
        with suppress(Crash):
            self.folder.run(lives=lives, keeps_last=keeps_last)

    @rule()
    def finish(self) -> None:
        job = self.folder.run()
        empty = sum(not text for text in self.texts.values())
        done = len(self.texts) - empty
        assert (job.progress.files_done, job.progress.files_failed) == (done, empty)
        records = self.folder.records()
        assert [(one["file"], one["index"], one["text"]) for one in records] == self.expected()
        assert len({one["id"] for one in records}) == len(records)
        assert job.progress.chunks_done == job.progress.chunks_total == len(records)
        check_vectors(self.library, records)
        before = self.folder.encoded_texts()
        self.folder.run()
        assert self.folder.encoded_texts() == before

    def expected(self) -> list[tuple[str, int, str]]:
        return [
            (name, index, chunk.text)
            for name, text in sorted(self.texts.items())
            for index, chunk in enumerate(
                self.library.chunk(Document(text, "text", name), ChunkOptions(size=24))
            )
        ]

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self.place.cleanup()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several transactions for a few sentences: more places to end at, within a file too."""
    monkeypatch.setattr("bindery.jobs.parts.BATCH_TOKENS", 40)
    monkeypatch.setattr("bindery.jobs.reading._PART_CHUNKS", 2)


@pytest.mark.slow
@pytest.mark.usefixtures("small_batches")
def test_a_job_survives_any_end(library: Library) -> None:
    FolderMachine.library = library
    run_state_machine_as_test(
        FolderMachine,
        settings=settings(
            max_examples=6,
            stateful_step_count=10,
            deadline=None,
            phases=[Phase.generate],
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def folder(library: Library, tmp_path: Path) -> Folder:
    (tmp_path / "out").mkdir()
    return Folder(library, tmp_path / "in", tmp_path / "out")


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("keeps_last", [False, True])
def test_a_job_survives_an_end_at_every_transaction(
    library: Library, tmp_path: Path, keeps_last: bool
) -> None:
    folder = Folder(library, tmp_path / "in", tmp_path / "out")
    folder.write("one.txt", "\n\n".join(PARAGRAPHS[:7]))
    folder.write("two.txt", "\n\n".join(PARAGRAPHS[5:9]))
    folder.out.mkdir()
    folder.run()
    whole = [(one["id"], one["file"], one["text"]) for one in folder.records()]
    for lives in itertools.count(1):
        again = replace(folder, out=tmp_path / f"out{lives}")
        again.out.mkdir()
        is_over = True
        with suppress(Crash):
            again.run(lives=lives, keeps_last=keeps_last)
            is_over = False
        again.run()
        records = again.records()
        assert [(one["id"], one["file"], one["text"]) for one in records] == whole, lives
        check_vectors(library, records)
        if not is_over:
            assert lives > 5
            return


def test_unchanged_chunks_are_never_embedded_twice(folder: Folder) -> None:
    folder.write("long.txt", "\n\n".join(PARAGRAPHS))
    before = folder.encoded_texts()
    folder.run()
    first = folder.records()
    assert folder.encoded_texts() - before == len(first) > 5

    edited = [*PARAGRAPHS]
    edited[6] = "Here somebody has written something else."
    folder.write("long.txt", "\n\n".join(edited))
    folder.write("copy/other.txt", "\n\n".join(PARAGRAPHS[:3]))
    before = folder.encoded_texts()
    folder.run()

    second = folder.records()
    new = {one["text"] for one in second} - {one["text"] for one in first}
    assert folder.encoded_texts() - before == len(new) <= 3
    same = {one["text"] for one in second if one["file"] == "long.txt"} - new
    ids = {(one["text"], one["id"]) for one in first if one["text"] in same}
    assert ids == {
        (one["text"], one["id"])
        for one in second
        if one["text"] in same and one["file"] == "long.txt"
    }


def test_a_bad_file_fails_alone_and_says_why(folder: Folder) -> None:
    folder.write("good.txt", "Vellum lasts.")
    (folder.root / "bad.pdf").write_bytes(b"%PDF-1.7\nthis is no more than a beginning")
    (folder.root / "odd.bin").write_bytes(bytes(range(256)) * 20)

    job = folder.run()

    assert (job.state, job.progress.files_done, job.progress.files_failed) == ("done", 1, 2)
    assert {one["file"] for one in folder.records()} == {"good.txt"}
    files = folder.files()
    assert files["bad.pdf"].error_code == "broken_document"
    assert files["odd.bin"].error_code == "unsupported_kind"
    assert all(files[name].error_message for name in ("bad.pdf", "odd.bin"))


def test_a_file_that_ends_the_process_is_given_up_after_some_tries_alone(folder: Folder) -> None:
    folder.write("good.txt", "Vellum lasts.")
    folder.write("poison.txt", "A text that ends whoever reads it.")
    poisonous = replace(folder, poison="poison.txt")

    for _ in range(1 + TRIES_ALONE):
        with pytest.raises(Crash):
            poisonous.run()
    job = poisonous.run()

    assert (job.state, job.progress.files_done, job.progress.files_failed) == ("done", 1, 1)
    assert folder.files()["poison.txt"].error_code == "quarantined"
    assert {one["file"] for one in folder.records()} == {"good.txt"}
    folder.write("poison.txt", "Another text, of which nobody dies.")
    assert folder.run().progress.files_done == 2


def test_other_settings_begin_anew(folder: Folder) -> None:
    folder.write("one.txt", "\n\n".join(PARAGRAPHS))
    folder.run()
    whole = folder.records()
    options = VectorOptions(dimensions=64, any_dimensions=True)
    short = replace(folder, request=replace(folder.request, vectors=options))

    short.run()

    cut = short.records()
    assert [one["text"] for one in cut] == [one["text"] for one in whole]
    assert {len(one["embedding"]) for one in cut} == {64}
