"""A home with the real model, and commands run in it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.homes import home_with
from typer.testing import CliRunner, Result

from bindery.encoders import Encoder
from bindery.faces.cli.app import app
from bindery.library import Library
from bindery.options import ModelOptions

Run = Callable[..., Result]

# Nothing listens on the discard port of this machine, so it refuses at once.
UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture(scope="session")
def home(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with vanilla in it."""
    return home_with(minilm_folder, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def variables(home: Path) -> dict[str, str | None]:
    """The environment that commands run in: of this machine's settings, none."""
    return {
        "BINDERY_HOME": str(home),
        "BINDERY_PRECISION": "f32",
        "BINDERY_MODELS": None,
        "BINDERY_CATALOG": None,
        "HF_ENDPOINT": UNREACHABLE,
        "HF_TOKEN": None,
        "COLUMNS": "80",
    }


@pytest.fixture(scope="session")
def environment(variables: dict[str, str | None]) -> dict[str, str]:
    """The same for a command that is a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in variables}
    return {**kept, **{name: value for name, value in variables.items() if value is not None}}


@pytest.fixture(scope="session")
def run(variables: dict[str, str | None]) -> Run:
    """Run a command in this process; keywords are variables of the environment."""

    def run(*arguments: object, input: object = None, **changes: str) -> Result:
        return CliRunner().invoke(
            app, [str(one) for one in arguments], input=input, env={**variables, **changes}
        )

    return run


@pytest.fixture(scope="session")
def library(home: Path) -> Iterator[Library]:
    """The library over that home."""
    library = Library(home, ModelOptions(precision="f32"))
    yield library
    library.close()


@pytest.fixture(scope="session")
def encoder(library: Library) -> Encoder:
    """The model itself, to compare with."""
    return library.encoder("vanilla")


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder with two good documents, an empty one and one that is none."""
    folder = tmp_path / "documents"
    folder.mkdir()
    paragraphs = (
        f"Paragraph {n} says that paper {n} is kept on shelf {n * 7}.\n" for n in range(40)
    )
    (folder / "long.md").write_text("# On paper\n\n" + "\n".join(paragraphs), encoding="utf-8")
    (folder / "short.txt").write_text("Loose paper is fragile. 製本は大切です。", encoding="utf-8")
    (folder / "blank.txt").write_text("  \n \n", encoding="utf-8")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nthis is no PDF")
    return folder
