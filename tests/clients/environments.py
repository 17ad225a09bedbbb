"""An environment for each client, holding exactly what its lock names."""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LOCKS = ROOT / "locks" / "clients"
FOLDER = ROOT / ".clients"
"""Where environments, the server's home and logs are; nothing in it is kept in git."""

# What tiktoken calls the table of cl100k.
_CL100K = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"


@dataclass(frozen=True, slots=True)
class Client:
    """A client, and how to try it: ``requires`` is Python's, ``script`` JavaScript's or Java's."""

    name: str
    title: str
    speaks: str
    requires: tuple[str, ...] = ()
    script: str = ""
    borrows: str = ""
    kinds: tuple[str, ...] = ("keyed", "open")

    def __post_init__(self) -> None:
        if bool(self.requires) == bool(self.script):
            raise ValueError(f"{self.name} needs either requires or a script")

    @property
    def is_java(self) -> bool:
        """Whether its script is Java's."""
        return self.script.endswith(".java")

    @property
    def command(self) -> Sequence[str | Path]:
        """What runs its checks."""
        if self.is_java:
            return ("java", HERE / "java" / self.script)
        if self.script:
            return ("node", FOLDER / "javascript" / self.script)
        return (_python(self.name), HERE / "python" / f"check_{self.name}.py")


def read_clients() -> list[Client]:
    """Every client, in the order of the table."""
    rows = tomllib.loads((HERE / "clients.toml").read_text())
    return [
        Client(name, **{key: tuple(v) if isinstance(v, list) else v for key, v in row.items()})
        for name, row in rows.items()
    ]


def say(line: str) -> None:
    """Tell how far it has come."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def install(clients: Sequence[Client]) -> None:
    """Make the environments that are not there, or whose lock has changed."""
    names = [
        name for client in clients if client.requires for name in (client.name, client.borrows)
    ]
    for name in dict.fromkeys(filter(None, names)):
        _install_python(name)
    if any(client.is_java for client in clients) and shutil.which("javac") is None:
        sys.exit("The client for Java needs a JDK (Debian: openjdk-17-jdk-headless).")
    if any(client.script and not client.is_java for client in clients):
        _install_javascript()


def variables() -> dict[str, str]:
    """What is set for clients, so that they ask nobody but the server under test."""
    found = next((FOLDER / "litellm").rglob(_CL100K), None)
    return {
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "ANONYMIZED_TELEMETRY": "False",
        "HAYSTACK_TELEMETRY_ENABLED": "False",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "DO_NOT_TRACK": "1",
        **({"TIKTOKEN_CACHE_DIR": str(found.parent)} if found else {}),
    }


def write_locks(clients: Sequence[Client]) -> None:
    """Resolve anew what each client needs. Needs uv; JavaScript's lock is written by npm."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    flags = (
        "--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header "
        "--no-annotate --quiet"
    )
    for client in clients:
        if client.requires:
            subprocess.run(
                ["uv", "pip", "compile", *flags.split(), "-", "-o", _lock(client.name)],
                input="\n".join(client.requires),
                text=True,
                check=True,
            )


def _install_python(name: str) -> None:
    done = FOLDER / name / "installed.txt"
    lock = _lock(name).read_text()
    if done.exists() and done.read_text() == lock:
        return
    say(f"Setting up {done.parent.relative_to(ROOT)} (once) ...")
    shutil.rmtree(done.parent, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", done.parent], check=True)
    pip = [sys.executable, "-m", "pip", "--python", _python(name), "install", "--no-compile"]
    pip += ["-qq", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
    subprocess.run([*pip, "-r", _lock(name)], check=True)
    done.write_text(lock)


def _install_javascript() -> None:
    if shutil.which("npm") is None:
        sys.exit("The clients for JavaScript need Node.js and npm. ARGS names clients to try.")
    folder, source = FOLDER / "javascript", HERE / "javascript"
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "installed.json"
    lock = (source / "package-lock.json").read_text()
    # Modules are looked for beside the script that imports them.
    for file in source.iterdir():
        shutil.copy(file, folder)
    if done.exists() and done.read_text() == lock:
        return
    say(f"Setting up {folder.relative_to(ROOT)} (once) ...")
    npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(npm, cwd=folder, check=True)
    done.write_text(lock)


def _lock(name: str) -> Path:
    return LOCKS / f"{name}.txt"


def _python(name: str) -> Path:
    return FOLDER / name / "bin" / "python"
