"""Make a virtual environment and install what lock files list, with uv if it is there, else pip.

    python ops/setup.py VENV LOCK... [--editable]

It needs only the standard library. Every package is checked against the hash in the lock.
"""

import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

UV_HINT = (
    "  uv would do this several times as fast: https://docs.astral.sh/uv (or: pipx install uv)"
)


def main() -> None:
    """Run the steps, and say of each what it does, how much it is, and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("venv", type=Path)
    parser.add_argument("locks", type=Path, nargs="+")
    parser.add_argument("--editable", action="store_true", help="also install this checkout")
    asked = parser.parse_args()
    uv = find_uv()
    python = asked.venv / ("Scripts" if sys.platform == "win32" else "bin") / "python"

    if not python.exists():
        create = [uv, "venv", "--quiet", "--seed", "--python", sys.executable] if uv else None
        command = create or [sys.executable, "-m", "venv"]
        step(f"Create {asked.venv}", [*command, asked.venv])
        say("\n")
        if not uv:
            say(UV_HINT + "\n")
    pip = ["--python", python] if uv else []
    install = [uv, "pip", "install", *pip] if uv else [python, "-m", "pip", "install"]
    if not uv:
        # Python compiles each module when it is first used; compiling all takes half a minute.
        install += ["--disable-pip-version-check", "--no-compile"]
    for lock in asked.locks:
        count = len(re.findall(r"^\S+==", lock.read_text(), re.M))
        what = f"Install {count} packages of {lock}"
        before = size_of(asked.venv)
        step(what, [*install, "--no-deps", "--require-hashes", "-r", lock], count)
        say(f", {(size_of(asked.venv) - before) / 1e6:,.0f} MB\n")
    if asked.editable:
        own = ["--no-deps", "--no-build-isolation", "--editable", "."]
        step("Install Bindery from this checkout", [*install, *own])
        say("\n")


def find_uv() -> str | None:
    """The path of uv, if it runs: a version manager may have a name for what is not installed."""
    uv = shutil.which("uv")
    if uv and subprocess.run([uv, "--version"], capture_output=True).returncode == 0:
        return uv
    return None


def step(what: str, command: list[object], count: int = 0) -> None:
    """Run a command; show how far pip is on a terminal, and all of its output if it fails."""
    say(f"{what} ...")
    began = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    output, collected = [], 0
    for line in process.stdout:
        output.append(line)
        collected += line.startswith("Collecting ")
        if sys.stdout.isatty() and count and collected:
            say(f"\r{what} ... {collected}")
    if process.wait() != 0:
        say("\n" + "".join(output))
        sys.exit(process.returncode)
    say(f"\r{what} ... " if sys.stdout.isatty() else " ")
    say(f"{time.monotonic() - began:.1f} s")


def size_of(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def say(text: str) -> None:
    """Print without a line end, at once."""
    print(text, end="", flush=True)


if __name__ == "__main__":
    main()
