"""The file store does what a dict would, whoever opens it anew in between."""

import hashlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from bindery.errors import UnknownFile
from bindery.store.blobs import open_blobs
from bindery.store.database import Database
from bindery.store.files import FileStore, StoredFile

CONTENTS = st.sampled_from([b"", b"a", b"other", b"x" * 5000])
NAMES = st.sampled_from(["a.txt", "../b", "c\x00", "𝔘"])


class FilesAsADict(RuleBasedStateMachine):
    """Contents and names are few, so that the same ones come again and again."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.model: dict[str, tuple[StoredFile, bytes]] = {}
        self.database: Database | None = None
        self.open_anew()

    @rule()
    def open_anew(self) -> None:
        if self.database is not None:
            self.database.close()
        self.database = Database.open(f"sqlite:///{self.home / 'bindery.db'}")
        folder = self.home / "files"
        self.store = FileStore(self.database, open_blobs("", folder), folder)

    @rule(target=ids, content=CONTENTS, name=NAMES, purpose=st.sampled_from(["", "batch"]))
    def keep(self, content: bytes, name: str, purpose: str) -> str:
        with self.store.receive(limit_bytes=10_000) as incoming:
            incoming.write(content)
            file = incoming.keep(name, purpose=purpose)
        assert (file.id == hashlib.sha256(content).hexdigest()) is (purpose == "")
        assert (file.name, file.size_bytes, file.purpose) == (name, len(content), purpose)
        assert purpose == "" or file.id not in self.model
        self.model[file.id] = (file, content)
        return file.id

    @rule(content=CONTENTS)
    def break_off(self, content: bytes) -> None:
        with self.store.receive(limit_bytes=10_000) as incoming:
            incoming.write(content)

    @rule(file_id=consumes(ids))
    def delete(self, file_id: str) -> None:
        if self.model.pop(file_id, None):
            self.store.delete(file_id)
        with pytest.raises(UnknownFile):
            self.store.delete(file_id)

    @rule(file_id=ids)
    def read(self, file_id: str) -> None:
        if file_id not in self.model:
            with pytest.raises(UnknownFile):
                self.store.get(file_id)
            return
        file, content = self.model[file_id]
        assert self.store.get(file_id) == file
        with self.store.open(file_id) as opened:
            assert opened.read() == content

    @invariant()
    def the_files_are_those_of_the_dict(self) -> None:
        files = [file for file, _ in self.model.values()]
        assert list(self.store) == sorted(files, key=lambda file: (file.uploaded_at, file.id))

    @invariant()
    def each_content_is_kept_once_and_nothing_else(self) -> None:
        kept = {path.name for path in (self.home / "files").iterdir()}
        assert kept == {file.sha256 for file, _ in self.model.values()} | {"incoming"}
        assert list((self.home / "files" / "incoming").iterdir()) == []

    def teardown(self) -> None:
        assert self.database is not None
        self.database.close()
        shutil.rmtree(self.home)


TestFilesAsADict = FilesAsADict.TestCase
TestFilesAsADict.settings = settings(
    max_examples=8,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
