"""The ways a machine stops: killed at random, at a storage call, or without power."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crashes import checker, indexing
from tests.crashes.process import Writer

_MANY_ROUNDS = 1 << 20
_LONGEST_RUN_S = 3.0
_IMAGE_BYTES = 96 << 20

# Everything that changes what a disk holds, and the pipe on which the writer says what is done.
_STORAGE_CALLS = (
    "write,pwrite64,writev,pwritev,fsync,fdatasync,ftruncate,fallocate,rename,renameat,renameat2,"
    "unlink,unlinkat,link,linkat,mkdir,mkdirat,copy_file_range,sendfile"
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A process to end: its module, what it is heard by, and what holds after its end."""

    module: str
    told: Callable[[], Any]
    check: Callable[..., list[str]]


FILES_AND_JOBS = Subject("tests.crashes.writer", checker.Told, checker.check)
INDEX = Subject(indexing.MODULE, indexing.ToldIndex, indexing.check)


@dataclass(slots=True)
class Outcome:
    """How often the writer was ended, what it had been told by then, and what was wrong after."""

    endings: int = 0
    acknowledged: int = 0
    faults: list[str] = field(default_factory=list)


def kill_at_random(
    subject: Subject, folder: Path, models: Path, times: int, seed: int, careless: str | None
) -> Outcome:
    """Kill -9 one writer after the other on one home, each a random while after it has started."""
    draw, told, outcome = random.Random(seed), subject.told(), Outcome()
    home = folder / "home"
    for _ in range(times):
        first = told.next_round(seed)
        writer = Writer(
            subject.module, [home, models, seed, first, _MANY_ROUNDS, *_options(careless)]
        )
        writer.wait_until_ready()
        time.sleep(draw.uniform(0, _LONGEST_RUN_S))
        writer.signal(signal.SIGKILL)
        if writer.end() != -signal.SIGKILL:
            outcome.faults.append(f"The writer ended by itself after {writer.lines[-1:]}.")
            break
        told.hear(writer.lines)
        outcome.endings += 1
        outcome.acknowledged = told.acknowledged
        outcome.faults += subject.check(home, models, seed, told, results=False)
        if outcome.faults:
            break
    outcome.faults += subject.check(home, models, seed, told, results=True)
    return outcome


def kill_at_storage_calls(
    subject: Subject,
    folder: Path,
    models: Path,
    seed: int,
    careless: str | None,
    numbers: Iterable[int],
    rounds: int = 1,
) -> Outcome:
    """Kill a writer at each of these of its storage calls, rising from 1, until it gets through.

    strace counts the calls of each thread by itself: the first that comes to the number is it. (Its
    --seccomp-bpf would be quicker, and does not inject.)
    """
    outcome = Outcome()
    for number in numbers:
        home = folder / f"call-{number}"
        told = subject.told()
        inject = f"inject={_STORAGE_CALLS}:signal=KILL:when={number}"
        strace = ["strace", "-f", "-qqq", "-o", "/dev/null"]
        trace = [*strace, "-e", f"trace={_STORAGE_CALLS}", "-e", "signal=none", "-e", inject]
        options = _options(careless)
        writer = Writer(subject.module, [home, models, seed, 0, rounds, *options], prefix=trace)
        status = writer.end()
        told.hear(writer.lines)
        outcome.endings += status != 0
        outcome.acknowledged += told.acknowledged
        faults = subject.check(home, models, seed, told, results=False)
        again = Writer(
            subject.module, [home, models, seed, told.next_round(seed), rounds, *options]
        )
        if again.end() != 0:
            faults.append("The next process does not get through.")
        told.hear(again.lines)
        faults += subject.check(home, models, seed, told, results=True)
        outcome.faults += [f"Call {number}: {fault}" for fault in faults]
        shutil.rmtree(home)
        if status == 0 or outcome.faults:
            break
    return outcome


def lose_power(
    subject: Subject, folder: Path, models: Path, images: int, seed: int, careless: str | None
) -> Outcome:
    """Take an image of the file system of a running writer, as a disk without power would have it.

    The file system's image lies in memory; what its kernel has not yet written to it is lost. Needs
    root, for loop devices.
    """
    draw, outcome = random.Random(seed), Outcome()
    for number in range(images):
        image, copy = folder / "disk", folder / "copy"
        told = subject.told()
        with _mounted(_formatted(image), folder / "disk.mnt") as disk:
            writer = Writer(
                subject.module,
                [disk / "home", models, seed + number, 0, 1 << 20, *_options(careless)],
            )
            writer.wait_until_ready()
            time.sleep(draw.uniform(0.2, _LONGEST_RUN_S))
            writer.signal(signal.SIGSTOP)
            _wait_until_stopped(writer.pid)
            time.sleep(0.05)  # for the listener to take what lies in the pipe
            told.hear(list(writer.lines))
            shutil.copyfile(image, copy)
            writer.signal(signal.SIGKILL)
            writer.end()
        outcome.endings += 1
        outcome.acknowledged += told.acknowledged
        with _mounted(copy, folder / "copy.mnt") as disk:
            faults = _checked(subject, disk / "home", models, seed + number, told)
        outcome.faults += [f"Image {number}: {fault}" for fault in faults]
        copy.unlink()
        image.unlink()
    return outcome


def _checked(subject: Subject, home: Path, models: Path, seed: int, told: Any) -> list[str]:
    # Whatever is wrong with the image is a finding, and the next image is looked at all the same.
    try:
        return subject.check(home, models, seed, told, results=True)
    except Exception as error:  # noqa: BLE001
        return [f"It cannot be opened: {type(error).__name__}: {error}"]


def _formatted(image: Path) -> Path:
    with image.open("wb") as file:
        file.truncate(_IMAGE_BYTES)
    # A journal that is committed every second is what distributions have; 5 s is ext4's own.
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    return image


@contextlib.contextmanager
def _mounted(image: Path, at: Path) -> Generator[Path]:
    at.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", image, at], check=True)
    try:
        yield at
    finally:
        for _ in range(50):
            if subprocess.run(["umount", at], stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.1)
        else:
            raise OSError(f"{at} stays in use.")


def _wait_until_stopped(pid: int) -> None:
    states = set[str]()
    while states != {"T"}:
        states = set(_states(pid))
        time.sleep(0.005)


def _states(pid: int) -> Iterator[str]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield task.joinpath("stat").read_text().rpartition(")")[2].split()[0]


def _options(careless: str | None) -> list[str]:
    return ["--careless", careless] if careless else []


def can_lose_power() -> bool:
    """Whether this process may mount images."""
    return os.name == "posix" and os.geteuid() == 0 and shutil.which("mkfs.ext4") is not None
