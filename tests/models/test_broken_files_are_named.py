"""Whatever happens to a file of a model on this machine, loading it names the file."""

import contextlib
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.models.conftest import FILES

from bindery.checkpoint import read_tensors
from bindery.errors import ModelBroken, ModelMissing, StorageError
from bindery.models.cache import locate, model_folder, read_lock
from bindery.models.preload import State, preload
from bindery.models.sources import FolderSource
from bindery.models.verify import FileDigest, verify


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b" ")


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _dangle(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.parent / "nowhere")


DAMAGES = {
    "truncated": (_truncate, "is truncated"),
    "bit-flipped": (_flip, "is altered"),
    "lengthened": (_lengthen, "is altered"),
    "empty": (_empty, "is empty"),
    "missing": (Path.unlink, "is missing"),
    "a folder": (_folder, "is missing"),
    "a dangling link": (_dangle, "is missing"),
}


@pytest.fixture
def root(tmp_path, made_up) -> Path:
    outcomes = preload(
        [made_up.entry()], tmp_path / "root", [FolderSource(made_up.write(tmp_path / "origin"))]
    )
    assert [outcome.state for outcome in outcomes] == [State.FETCHED]
    return tmp_path / "root"


def test_a_good_model_is_located(root, made_up):
    folder = locate(made_up.entry(), root)
    assert folder == model_folder(made_up.entry(), root)
    for path, content in made_up.contents.items():
        assert (folder / path).read_bytes() == content


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_to_every_file_is_named_and_mended(root, made_up, tmp_path, path, damage):
    entry = made_up.entry()
    harm, verdict = DAMAGES[damage]
    harm(model_folder(entry, root) / path)

    with pytest.raises(ModelBroken) as caught:
        locate(entry, root)
    assert f"{path} {verdict}" in caught.value.message
    assert "bindery preload tiny" in caught.value.remedy
    others = [other for other in FILES if other != path]
    assert not any(
        f"{other} is" in caught.value.message.split(": ", 1)[1].split("; ") for other in others
    )

    assert preload([entry], root, [FolderSource(tmp_path / "origin")])[0].state is State.FETCHED
    assert locate(entry, root)
    assert list((root / "staging").iterdir()) == []


def test_all_bad_files_are_named_at_once(root, made_up):
    entry = made_up.entry()
    for path in FILES:
        _flip(model_folder(entry, root) / path)
    with pytest.raises(ModelBroken) as caught:
        locate(entry, root)
    assert all(f"{path} is altered" in caught.value.message for path in FILES)


def test_a_wrong_digest_shows_what_came_and_what_was_expected(tmp_path, made_up):
    entry = made_up.entry(pinned=True)
    folder = made_up.write(tmp_path, tokenizer=b"{}")
    with pytest.raises(ModelBroken) as caught:
        verify(folder, entry, {})
    assert hashlib.sha256(b"{}").hexdigest()[:12] in caught.value.message
    assert (entry.release.files["tokenizer.json"] or "")[:12] in caught.value.message


def test_a_model_never_fetched_is_missing(tmp_path, made_up):
    with pytest.raises(ModelMissing) as caught:
        locate(made_up.entry(), tmp_path / "nothing")
    assert "'tiny' is not on this machine" in caught.value.message
    assert caught.value.remedy == "Run `bindery preload tiny`."


def test_a_gated_model_never_fetched_says_that_it_is(tmp_path, made_up):
    with pytest.raises(ModelMissing) as caught:
        locate(made_up.entry(gated=True), tmp_path / "nothing")
    assert "bindery preload tiny" in caught.value.remedy
    assert "Accept its terms first: https://huggingface.co/nobody/tiny" in caught.value.remedy


def test_an_optional_file_may_be_absent_but_not_vanish(tmp_path, made_up):
    folder = made_up.write(tmp_path)
    (folder / "special_tokens_map.json").unlink()
    measured = verify(folder, made_up.entry(), {})
    assert "special_tokens_map.json" not in measured
    with pytest.raises(ModelBroken, match=r"special_tokens_map\.json is missing"):
        verify(folder, made_up.entry(), {"special_tokens_map.json": FileDigest("0" * 64, 1)})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 2, "models": {}}', b"\xff"])
def test_a_damaged_lock_file_is_named_and_stops_nothing_else(root, made_up, content):
    (root / "models.lock.json").write_bytes(content)
    with pytest.raises(StorageError, match=r"models\.lock\.json"):
        locate(made_up.entry(), root)
    (outcome,) = preload([made_up.entry()], root, [])
    assert isinstance(outcome.error, StorageError)


def test_a_lost_lock_file_is_written_anew_from_a_model_that_is_there(root, made_up):
    entry = made_up.entry()
    before = read_lock(entry, root)
    (root / "models.lock.json").unlink()
    assert locate(entry, root)
    assert preload([entry], root, [])[0].state is State.PRESENT
    assert read_lock(entry, root) == before
    assert set(before) == set(FILES)


# read_tensors: without any digest.


def test_every_cut_of_a_safetensors_file_is_seen(tmp_path, made_up):
    whole = made_up.contents["model.safetensors"]
    file = tmp_path / "model.safetensors"
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(ModelBroken) as caught:
            read_tensors(file)
        assert str(file) in caught.value.message
    file.write_bytes(whole)
    read_tensors(file)
    file.write_bytes(whole + b"\0")
    with pytest.raises(ModelBroken, match="1 bytes too many"):
        read_tensors(file)


def _tensor(dtype: str, shape: list[int], start: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    "header",
    [
        {"a": _tensor("F32", [1], 4, 8)},
        {"a": _tensor("F32", [2], 0, 4)},
        {"a": _tensor("F32", [1], 0, 4), "b": _tensor("F32", [1], 2, 6)},
        {"a": _tensor("F99", [1], 4, 0)},
        {"a": {"dtype": "F32", "shape": [1]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}},
        {"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": None, "data_offsets": [0, 4]}},
        {"a": None},
        [],
        "text",
    ],
)
def test_an_unsound_header_is_seen(tmp_path, header):
    content = json.dumps(header).encode()
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(content).to_bytes(8, "little") + content + bytes(8))
    with pytest.raises(ModelBroken, match="header that is not sound"):
        read_tensors(file)


def test_a_file_that_is_not_there_is_broken(tmp_path):
    with pytest.raises(ModelBroken, match="cannot be read"):
        read_tensors(tmp_path / "model.safetensors")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.integers(0, 2**64 - 1))
def test_no_bytes_make_the_check_fail_in_another_way(tmp_path, content, length):
    file = tmp_path / "model.safetensors"
    for candidate in (
        content,
        length.to_bytes(8, "little") + content,
        len(content).to_bytes(8, "little") + content,
    ):
        file.write_bytes(candidate)
        with contextlib.suppress(ModelBroken):
            read_tensors(file)
