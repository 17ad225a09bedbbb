"""Texts that no grammar expects, for programs in every language."""

import random
from collections.abc import Callable, Iterator, Mapping

from bindery.documents.programs import GRAMMARS

SHAPES: Mapping[str, Callable[[int], str]] = {
    "brackets": lambda size: "(" * size,
    "blocks": lambda size: "{\n" * (size // 2),
    "one-line": lambda size: "a(b)+" * (size // 5),
    "statements": lambda size: "a\n" * (size // 2),
    "conditions": lambda size: "if (\n" * (size // 5),
    "tags": lambda size: " <a" * (size // 3),
    "quotes": lambda size: "'\"`" * (size // 3),
    "comments": lambda size: "/*" * (size // 2),
    "indents": lambda size: "".join(f"{' ' * (i % 99)}a:\n" for i in range(size // 50)),
    "nulls": lambda size: "\0" * size,
    "returns": lambda size: "a\r" * (size // 2),
    "marks": lambda size: "é👍\u0301\u200d\n" * (size // 5),
    "unpaired": lambda size: "\ufffd\uffff\ufeff" * (size // 3),
    "heredocs": lambda size: "<<E\n" * (size // 4),
}
"""What a text of about so many characters is made of."""


def hostile_programs(size: int) -> Iterator[tuple[str, str]]:
    """Name and text of every shape in every language."""
    for grammar in GRAMMARS.values():
        for shape, make in SHAPES.items():
            yield f"{shape}{grammar.extensions[0]}", make(size)


def damaged(program: str, chance: random.Random) -> str:
    """The program with a piece removed, cut off, doubled or written over."""
    start, end = sorted(chance.randint(0, len(program)) for _ in range(2))
    before, piece, after = program[:start], program[start:end], program[end:]
    strange = chance.choice("(){}[]<>;:'\"`\\#\n\t\0é👍")
    return chance.choice(
        (before + after, before, before + piece * 3 + after, f"{before}{strange * 9}{after}")
    )
