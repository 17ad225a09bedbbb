"""Rotations come back as they were saved, or not at all."""

import os
from pathlib import Path

import numpy as np
import pytest

from bindery.errors import InvalidValue, StorageError, UnknownRotation
from bindery.store.rotations import RotationStore, read_rotation, write_rotation
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.rotation import Rotation

WRONG_NAMES = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "A",
    "é",
    ".hidden",
    "x..y",
    "x" * 101,
    "a\x00b",
    "a b",
]


def fitted(seed: int = 0, width: int = 8) -> Rotation:
    rows = np.random.default_rng(seed).normal(size=(50, width)).astype(np.float32)
    return Rotation.fit(Embeddings.dense(rows), model="vanilla", revision="1" * 40)


@pytest.fixture
def store(tmp_path: Path) -> RotationStore:
    return RotationStore(tmp_path / "rotations")


def test_what_is_saved_is_found_again(store: RotationStore, tmp_path: Path) -> None:
    rotation = fitted()
    assert store.names() == []
    store.save("shelf", rotation)
    store.save("a.b-c_1", fitted(1))

    for opened in (store, RotationStore(tmp_path / "rotations")):
        found = opened.get("shelf")
        assert opened.names() == ["a.b-c_1", "shelf"]
        assert found.matrix.tobytes() == rotation.matrix.tobytes()
        assert found.energy.tobytes() == rotation.energy.tobytes()
        assert (found.model, found.revision, found.fitted_on) == ("vanilla", "1" * 40, 50)
        assert found.digest == rotation.digest
    assert store.get("shelf") is store.get("shelf"), "read once"


def test_a_folder_is_made_only_when_something_is_saved(tmp_path: Path) -> None:
    store = RotationStore(tmp_path / "far" / "rotations")

    with pytest.raises(UnknownRotation):
        store.get("shelf")
    assert not (tmp_path / "far").exists()
    store.save("shelf", fitted())
    assert [path.name for path in (tmp_path / "far" / "rotations").iterdir()] == [
        "shelf.safetensors"
    ]


def test_another_rotation_does_not_take_a_name(store: RotationStore) -> None:
    store.save("shelf", fitted())
    store.save("shelf", fitted())

    with pytest.raises(InvalidValue, match="'shelf' already") as caught:
        store.save("shelf", fitted(1))
    assert caught.value.param == "rotation"
    assert "bindery rotate delete shelf" in caught.value.remedy
    with pytest.raises(InvalidValue, match="already"):
        store.check_free("shelf")
    assert store.get("shelf").digest == fitted().digest


def test_what_is_deleted_is_gone(store: RotationStore) -> None:
    store.save("shelf", fitted())
    store.save("other", fitted(1))
    store.get("shelf")
    store.delete("shelf")

    assert store.names() == ["other"]
    for gone in (store.get, store.delete):
        with pytest.raises(UnknownRotation, match="no rotation 'shelf'") as caught:
            gone("shelf")
        assert "Known: other" in caught.value.remedy
    store.save("shelf", fitted(2))
    assert store.get("shelf").digest == fitted(2).digest


def test_a_name_that_another_process_gave_to_another_is_seen(
    store: RotationStore, tmp_path: Path
) -> None:
    store.save("shelf", fitted())
    store.get("shelf")
    other = RotationStore(tmp_path / "rotations")
    other.delete("shelf")
    other.save("shelf", fitted(1))

    assert store.get("shelf").digest == fitted(1).digest


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_names_that_are_none_touch_no_path(store: RotationStore, tmp_path: Path, name: str) -> None:
    write_rotation(fitted(), tmp_path / "x.safetensors")

    with pytest.raises(InvalidValue, match="name of a rotation") as caught:
        store.save(name, fitted())
    assert caught.value.param == "rotation"
    for read in (store.get, store.delete):
        with pytest.raises(UnknownRotation):
            read(name)
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_other_files_in_the_folder_are_no_rotations(store: RotationStore, tmp_path: Path) -> None:
    store.save("shelf", fitted())
    for name in ("NOTES.safetensors", "x.txt", ".shelf.safetensors.0123"):
        (tmp_path / "rotations" / name).write_bytes(b"")

    assert store.names() == ["shelf"]


def test_every_altered_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "shelf.safetensors"
    write_rotation(fitted(width=3), path)
    content = path.read_bytes()

    unnoticed = []
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x01]) + content[place + 1 :])
        try:
            read = read_rotation(path)
        except StorageError:
            continue
        unnoticed.append((place, read.digest))
    # A blank that fills the header up says nothing.
    assert {digest for _, digest in unnoticed} <= {fitted(width=3).digest}
    assert len(unnoticed) < 10


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 100, -1])
def test_a_truncated_file_is_told(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "shelf.safetensors"
    write_rotation(fitted(), path)
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(StorageError, match="not the rotation that was saved") as caught:
        read_rotation(path)
    assert str(path) in caught.value.message
    assert "rotate delete shelf" in caught.value.remedy


def test_a_broken_rotation_can_be_deleted_and_blocks_its_name_till_then(
    store: RotationStore, tmp_path: Path
) -> None:
    store.save("shelf", fitted())
    (tmp_path / "rotations" / "shelf.safetensors").write_bytes(b"nothing")

    for use in (store.get, lambda name: store.save(name, fitted())):
        with pytest.raises(StorageError, match="not the rotation"):
            use("shelf")
    store.delete("shelf")
    store.save("shelf", fitted())
    assert store.get("shelf").digest == fitted().digest


@pytest.mark.skipif(os.name == "nt", reason="a file in the way is told otherwise")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = RotationStore(tmp_path / "file" / "rotations")

    with pytest.raises(StorageError):
        store.save("shelf", fitted())
    with pytest.raises(StorageError):
        write_rotation(fitted(), tmp_path / "none" / "shelf.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
