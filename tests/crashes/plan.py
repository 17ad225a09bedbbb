"""What the process that is killed does, from a seed alone, so that the checker knows it too."""

import hashlib
import random
from dataclasses import dataclass

_WORDS = ("paper", "shelf", "spine", "glue", "thread", "cover", "page", "margin", "ink", "press")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to keep."""

    name: str
    content: bytes

    @property
    def id(self) -> str:
        """What the store will call it."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Round:
    """One step of the plan: keep two files, run a job over both, delete the first again."""

    number: int
    uploads: tuple[Upload, Upload]

    @property
    def key(self) -> str:
        """The job's idempotency key."""
        return f"round-{self.number}"


def round_of(seed: int, number: int) -> Round:
    """The round of that number: always the same, and its texts in no other round."""
    draw = random.Random(f"{seed}-{number}")
    uploads = (_upload(draw, f"{number}-a.txt"), _upload(draw, f"{number}-b.md"))
    return Round(number, uploads)


def _upload(draw: random.Random, name: str) -> Upload:
    sentences = [
        f"{' '.join(draw.choices(_WORDS, k=8))} {draw.getrandbits(40):x}." for _ in range(6)
    ]
    return Upload(name, " ".join(sentences).encode())
