"""A watched folder: what has changed is told once it has settled, whatever the editor does."""

import threading
import time
from pathlib import Path

import pytest
import watchfiles

from bindery.search import watching
from bindery.search.watching import FolderWatch

SETTLE_S = 0.3


class Watched:
    """A folder that is watched by a thread, and what was told of it."""

    def __init__(self, *paths: Path) -> None:
        self.stopped = threading.Event()
        self.told: list[frozenset[str]] = []
        self.came = threading.Semaphore(0)
        self.watch = FolderWatch(paths, settle_s=SETTLE_S, poll_s=0.2, stopped=self.stopped)
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        for changed in self.watch.changes():
            self.told.append(changed)
            self.came.release()

    def next(self) -> set[str]:
        """The names of the files of the next change."""
        assert self.came.acquire(timeout=30)
        return {Path(path).name for path in self.told[-1]}

    def close(self) -> None:
        self.stopped.set()
        self._thread.join()


@pytest.fixture(params=["notified", "polled"])
def watched(request, tmp_path, monkeypatch):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "note.md").write_text("One.")

    def refuse(*_, **__):
        raise OSError("OS file watch limit reached")

    if request.param == "polled":
        monkeypatch.setattr(watching, "watch", refuse)
    watched = Watched(folder)
    assert watched.watch.polls_because == (
        "OS file watch limit reached" if request.param == "polled" else ""
    )
    watched.folder = folder
    yield watched
    watched.close()


def test_editors_that_save_by_rename(watched):
    folder = watched.folder
    (folder / "note.md.tmp").write_text("Two.")
    (folder / "note.md.tmp").replace(folder / "note.md")
    assert watched.next() == {"note.md"}

    # As vim does: away, new, and the backup is deleted.
    (folder / "note.md").rename(folder / "note.md~")
    (folder / "note.md").write_text("Three.")
    (folder / "note.md~").unlink()
    assert watched.next() == {"note.md"}

    (folder / "note.md").unlink()
    (folder / "note.md").write_text("Four.")
    assert watched.next() == {"note.md"}
    assert len(watched.told) == 3


def test_no_file_is_told_while_it_is_written(watched):
    download = watched.folder / "x.pdf.crdownload"
    download.write_text("half")
    slow = watched.folder / "slow.txt"
    with slow.open("w") as file:
        for n in range(6):
            file.write(f"part {n}\n")
            file.flush()
            time.sleep(SETTLE_S / 2)
    download.rename(watched.folder / "x.pdf")
    told = watched.next()
    while "x.pdf" not in told:
        told |= watched.next()
    assert told == {"slow.txt", "x.pdf"}
    assert slow.read_text().endswith("part 5\n")


def test_many_files_at_once_and_folders_that_come_and_go(watched):
    inner = watched.folder / "inner"
    inner.mkdir()
    for n in range(300):
        (inner / f"{n}.md").write_text("x")
    told = watched.next()
    while len(told) < 300:
        told |= watched.next()
    assert told == {f"{n}.md" for n in range(300)}

    away = watched.folder.rename(watched.folder.parent / "away")
    told = watched.next()
    assert len(told) == 301
    if watched.watch.polls_because:  # a folder that is made again is only looked at now and then
        away.rename(watched.folder)
        assert len(watched.next()) == 301


def test_a_file_that_is_named_itself_is_looked_at(tmp_path):
    path = tmp_path / "one.md"
    path.write_text("One.")
    watched = Watched(path)
    try:
        assert watched.watch.polls_because == "only files were named"
        (tmp_path / "new").write_text("Two.")
        (tmp_path / "new").replace(path)
        (tmp_path / "other.md").write_text("Not watched.")
        assert watched.next() == {"one.md"}
    finally:
        watched.close()


def test_circles_of_links_and_what_is_ignored_are_not_followed(watched):
    (watched.folder / "circle").symlink_to(watched.folder, target_is_directory=True)
    (watched.folder / "node_modules").mkdir()
    (watched.folder / "node_modules" / "a.md").write_text("x")
    (watched.folder / ".binderyignore").write_text("*.log\n")
    (watched.folder / "a.log").write_text("x")
    (watched.folder / "b.md").write_text("x")
    assert watched.next() == {"b.md"}


def test_what_the_library_raises_is_what_is_caught(tmp_path):
    with pytest.raises(FileNotFoundError):
        next(watchfiles.watch(tmp_path / "nothing"))
