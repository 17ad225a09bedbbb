"""Damage to good documents, the same for the same seed."""

import random
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping

from tests.documents.samples import SAMPLES, archive, unpacked

from bindery.documents import READERS


def mutated(count: int, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of damaged samples, kind by kind in turn."""
    chance = random.Random(seed)
    samples = {kind: make() for kind, make in SAMPLES.items()}
    kinds = list(samples)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        data = samples[kind]
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            data = chance.choice(_WAYS)(data, chance, samples)
        yield f"{number}-mutated{READERS[kind].extensions[0]}", data


Samples = Mapping[str, bytes]


def _flip(data: bytes, chance: random.Random, _: Samples) -> bytes:
    flipped = bytearray(data)
    for _number in range(chance.choice((1, 4, 64)) if data else 0):
        flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _cut(data: bytes, chance: random.Random, _: Samples) -> bytes:
    return data[: chance.randint(0, len(data))]


def _remove(data: bytes, chance: random.Random, _: Samples) -> bytes:
    start, end = _piece(data, chance)
    return data[:start] + data[end:]


def _repeat(data: bytes, chance: random.Random, _: Samples) -> bytes:
    start, end = _piece(data, chance)
    return data[:end] + data[start:end] * chance.choice((1, 10, 1_000)) + data[end:]


def _swap(data: bytes, chance: random.Random, _: Samples) -> bytes:
    a, b, c, d = sorted(chance.randint(0, len(data)) for _ in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _splice(data: bytes, chance: random.Random, samples: Samples) -> bytes:
    other = samples[chance.choice(list(samples))]
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


def _numbers(data: bytes, chance: random.Random, _: Samples) -> bytes:
    """Extreme numbers where numbers may be: sizes, offsets and counts."""
    start = chance.randint(0, len(data))
    number = chance.choice((b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"9" * 12, b"-1"))
    return data[:start] + number + data[start + len(number) :]


def _members(data: bytes, chance: random.Random, samples: Samples) -> bytes:
    """Of a container, its members damaged, removed or doubled, with records that are right."""
    try:
        parts = list(unpacked(data).items())
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError, EOFError):
        return _flip(data, chance, samples)
    if not parts:
        return data
    index = chance.randrange(len(parts))
    name, content = parts[index]
    changed: list[tuple[str, bytes]] = chance.choice(
        (
            [],
            [(name, content), (f"{name}.again", content)],
            [(name, chance.choice(_PLAIN)(content, chance, samples))],
            [(name, chance.choice(parts)[1])],
        )
    )
    return archive(dict([*parts[:index], *changed, *parts[index + 1 :]]))


def _piece(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randint(0, len(data))
    return start, min(start + chance.choice((1, 8, 64, 512)), len(data))


_PLAIN: tuple[Callable[[bytes, random.Random, Samples], bytes], ...] = (
    *(_flip, _cut, _remove, _repeat, _swap, _splice, _numbers),
)
_WAYS = (*_PLAIN, _members, _members, _members)
