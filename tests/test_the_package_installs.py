"""The distribution: its name, what is in it, and that it installs into an empty environment."""

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# `bindery` and `bindery-cli` on the package index belong to others.
STRANGERS = re.compile(
    r"""install\ (?:-\S+\ )*["'`]?bindery(?:-cli)?(?![\w-])   # pip, pipx, uv pip, uv tool
      | uvx\ bindery
      | (?<![\w.])bindery\[(?:code|ocr|otel|postgres|s3|torch)\]""",
    re.X,
)
TEXTS = [
    path
    for folder in ("docs", "src", "ops", "benchmarks")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".md", ".py", ".toml", ".yaml", ".yml", ".js", ".html", ".ipynb"}
]
TEXTS += [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "Dockerfile")]


def test_no_text_installs_the_package_of_others():
    offences = {
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in TEXTS
        for found in STRANGERS.finditer(path.read_text(encoding="utf-8"))
    }
    assert not offences


@pytest.mark.parametrize(
    "text",
    ["pip install bindery", 'pip install "bindery[ocr]"', "uvx bindery demo",
     "pip install -U bindery-cli", "needs `bindery[torch]`"],
)  # fmt: skip
def test_such_a_text_would_be_found(text: str):
    assert STRANGERS.search(text)


def test_the_command_is_also_a_module():
    run = subprocess.run(
        [sys.executable, "-m", "bindery", "--version"], capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"bindery \d+\.\d+\.\d+\n", run.stdout)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder)
    return folder


def build(project: Path, folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", folder],
        cwd=project,
        check=True,
        capture_output=True,
    )


def wheel_in(folder: Path) -> Path:
    (wheel,) = folder.glob("bindery_search-*.whl")
    return wheel


@pytest.mark.slow
def test_the_wheel_is_small_and_whole(built: Path):
    wheel = wheel_in(built)
    assert wheel.stat().st_size < 5_000_000
    package = ROOT / "src"
    expected = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected <= set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.slow
def test_the_source_distribution_makes_the_same_wheel(built: Path, tmp_path: Path):
    (source,) = built.glob("bindery_search-*.tar.gz")
    assert source.stat().st_size < 5_000_000
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    (project,) = tmp_path.iterdir()

    build(project, tmp_path / "dist")

    again = zipfile.ZipFile(wheel_in(tmp_path / "dist")).namelist()
    assert again == zipfile.ZipFile(wheel_in(built)).namelist()


@pytest.mark.slow
def test_the_wheel_installs_into_an_empty_environment(built: Path, tmp_path: Path):
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    scripts = home / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [scripts / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    locked = ROOT / "locks" / "base.txt"
    subprocess.run([*pip, "--require-hashes", "-r", locked], check=True)
    subprocess.run([*pip, wheel_in(built)], check=True)

    run = subprocess.run(
        [scripts / "bindery", "settings", "--json"],
        env={"PATH": str(scripts), "BINDERY_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert run.returncode == 0, run.stderr
    files = (path for path in home.rglob("*") if path.is_file() and not path.is_symlink())
    assert sum(path.stat().st_size for path in files) < 500_000_000
