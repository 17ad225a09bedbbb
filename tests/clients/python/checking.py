"""What the scripts share: checks, and what they compare with. Nothing but the standard library.

Each script runs in an environment that holds one client, against a server that is there already,
and writes one line of JSON a check.
"""

import argparse
import functools
import json
import math
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

VANILLA = "vanilla"
HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"
"""The same model, as most clients call it: with a slash."""

PROMPTED = "embed-english-v3.0"
"""The same weights with prompts, so that vectors differ by role, and lengths to cut to."""

NOWHERE = "no-such-model"

LEAST_COSINE = 0.9999


@dataclass(frozen=True)
class Server:
    """The server under test. ``kind`` is how it was started: see ``serving.py``."""

    url: str
    key: str
    kind: str
    expected: dict[str, Any]

    @property
    def texts(self) -> list[str]:
        return self.expected["texts"]

    @property
    def many(self) -> list[str]:
        """More texts than some clients send in one request."""
        return self.expected["many"]

    @property
    def too_long(self) -> str:
        return self.expected["too_long"]

    @property
    def query(self) -> str:
        return self.expected["query"]

    @property
    def documents(self) -> list[str]:
        return self.expected["documents"]

    @property
    def order(self) -> list[int]:
        """The documents' places, the best first."""
        return [place for place, _ in self.expected["ranking"]]

    @property
    def scores(self) -> list[float]:
        return [score for _, score in self.expected["ranking"]]

    @property
    def unknown_model(self) -> str:
        """The message for a model that is not there."""
        return self.expected["unknown_model"]

    def vectors(
        self,
        texts: Sequence[str],
        *,
        model: str = VANILLA,
        role: str = "document",
        dimensions: int | None = None,
    ) -> list[list[float]]:
        """What our own route gave for these texts, cut here where that is wished."""
        known = self.expected["vectors"][model][role]
        return [cut(known[text], dimensions) for text in texts]

    def tokens(self, texts: Sequence[str]) -> int:
        """How many of the model's tokens the texts have."""
        return sum(len(self.expected["token_ids"][text]) for text in texts)


def cut(vector: list[float], dimensions: int | None) -> list[float]:
    head = vector[:dimensions]
    length = math.sqrt(sum(value * value for value in head))
    return [value / length for value in head]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    lengths = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / lengths


def same(got: Sequence[Sequence[float]], wanted: Sequence[Sequence[float]]) -> None:
    """Assert that vectors are those wanted, in that order."""
    equal("vectors", len(got), len(wanted))
    for place, (one, other) in enumerate(zip(got, wanted, strict=True)):
        equal(f"dimensions of vector {place}", len(one), len(other))
        closeness = cosine([float(value) for value in one], other)
        if not closeness >= LEAST_COSINE:
            best = max(range(len(wanted)), key=lambda at: cosine(one, wanted[at]))
            raise AssertionError(f"vector {place}: cosine {closeness:.6f}; most like {best}")


def exact(got: Sequence[Sequence[float]], wanted: Sequence[Sequence[float]]) -> None:
    """Assert that every number is the same."""
    same(got, wanted)
    worst = max(
        abs(a - b)
        for one, other in zip(got, wanted, strict=True)
        for a, b in zip(one, other, strict=True)
    )
    equal("largest difference", worst <= 1e-7, True)


def quantised(got: Sequence[Sequence[float]], wanted: Sequence[Sequence[float]]) -> None:
    """Assert that int8 vectors, of which some clients make floats, point where those wanted do."""
    for one, other in zip(got, wanted, strict=True):
        equal("all are of int8", all(v == int(v) and -128 <= v <= 127 for v in one), True)
        equal("the direction", cosine(one, other) > 0.999, True)


def packed(got: Sequence[Sequence[float]], wanted: Sequence[Sequence[float]], *, low: int) -> None:
    """Assert that bits say which numbers are above zero; ``low`` is what a byte of none is."""
    for one, other in zip(got, wanted, strict=True):
        bits = [int(value > 0) for value in other]
        octets = [
            int("".join(map(str, bits[at : at + 8])), 2) + low for at in range(0, len(bits), 8)
        ]
        equal("bits", list(one), octets)


def ranked(got: Sequence[tuple[int, float]], server: Server, *, top: int | None = None) -> None:
    """Assert that documents come in the order, and with the scores, that our own route gives."""
    equal("order", [place for place, _ in got], server.order[:top])
    for (_, score), wanted in zip(got, server.scores[:top], strict=True):
        equal(f"{score} is near {wanted}", abs(score - wanted) < 1e-3, True)


def equal(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise AssertionError(f"{what}: {got!r}, not {wanted!r}")


def contains(text: object, *parts: str) -> None:
    for part in parts:
        if part.lower() not in str(text).lower():
            raise AssertionError(f"{str(text)[:300]!r} does not say {part!r}")


@dataclass
class Refusal:
    """Holds the error, once it was raised."""

    error: Any = None


@contextmanager
def refused(kind: type[BaseException], *parts: str, **facts: object) -> Iterator[Refusal]:
    """Assert that the client raises its own ``kind`` of error, with the server's words."""
    refusal = Refusal()
    try:
        yield refusal
    except kind as error:
        contains(error, *parts)
        for name, wanted in facts.items():
            equal(name, getattr(error, name), wanted)
        refusal.error = error
    else:
        raise AssertionError(f"{kind.__name__} was not raised")


def begins(text: str, start: str) -> None:
    """Assert that the client found the server's message, not just a body that has it somewhere."""
    if not text.startswith(start):
        raise AssertionError(f"{text[:300]!r} does not begin with {start!r}")


@dataclass(frozen=True)
class Check:
    topic: str
    what: str
    on: tuple[str, ...]
    run: Callable[[Server], None]


CHECKS: list[Check] = []


def check(
    topic: str, what: str, *, on: Sequence[str] = ("keyed", "open")
) -> Callable[[Callable[[Server], None]], Callable[[Server], None]]:
    """Make a function a check; ``on`` are the kinds of server that it is for."""

    def register(run: Callable[[Server], None]) -> Callable[[Server], None]:
        CHECKS.append(Check(topic, what, tuple(on), run))
        return run

    return register


# The sections of docs/frameworks.md by distribution, each with a block to copy.
SECTIONS = {
    "openai": "OpenAI",
    "langchain-openai": "LangChain",
    "llama-index-core": "LlamaIndex",
    "haystack-ai": "Haystack",
    "litellm": "LiteLLM",
    "chromadb": "Chroma",
}


def run_block(section: str, server: Server) -> None:
    """Run the block of a section, with the address and key of this server, and another text."""
    page = Path(__file__).parents[3] / "docs" / "frameworks.md"
    block = page.read_text("utf-8").partition(f"\n## {section}\n")[2]
    block = block.partition("```py\n")[2].partition("```")[0]
    block = block.replace("http://127.0.0.1:8000", server.url).replace('"none"', repr(server.key))
    block = block.replace('"Loose paper is fragile."', repr(server.texts[0]))
    found: dict[str, Any] = {}
    exec(block, found)
    same([list(map(float, one)) for one in found["vectors"]], server.vectors(server.texts[:1]))


def main(distribution: str) -> None:
    """Run every check that is for the server at hand."""
    if section := SECTIONS.get(distribution):
        block = functools.partial(run_block, section)
        check("the manual", "the block of docs/frameworks.md")(block)
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", default="")
    parser.add_argument("--kind", required=True)
    parser.add_argument("--expected", type=Path, required=True)
    given = parser.parse_args()
    # Some clients demand a key, and send it to a server that has none.
    server = Server(
        given.url, given.key or "unused", given.kind, json.loads(given.expected.read_text())
    )
    lines, sys.stdout = sys.stdout, sys.stderr  # some clients talk

    def write(record: dict[str, object]) -> None:
        lines.write(json.dumps(record) + "\n")
        lines.flush()

    write({"version": version(distribution)})
    for one in CHECKS:
        if server.kind in one.on:
            write({"topic": one.topic, "check": one.what, **outcome(one, server)})


def outcome(one: Check, server: Server) -> dict[str, object]:
    try:
        one.run(server)
    except Exception as error:  # noqa: BLE001 (whatever a client raises is what we are after)
        frames = traceback.extract_tb(error.__traceback__)
        line = next((f.lineno for f in frames if f.filename == sys.argv[0]), 0)
        detail = f"line {line}: {type(error).__name__}: {error}"
        return {"ok": False, "detail": detail[:1000]}
    return {"ok": True, "detail": ""}
