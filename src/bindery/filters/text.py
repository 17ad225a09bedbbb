"""The short text of a filter: ``page > 1 and language = "en"``.

::

    filter  := any ("or" any)*
    any     := part ("and" part)*
    part    := "not" part | "(" filter ")" | compare
    compare := key op value | key ["not"] "in" "(" value, ... ")" | key "exists"
    op      := = | == | != | <> | < | <= | > | >= | contains | prefix
    value   := "text" | 'text' | number | true | false | a date such as 2024-12-31

A key is a word (letters, digits, ``_``, ``-``, ``.``) or quoted by back-ticks. A quote or back-tick
inside what it quotes is written twice. Words of the language may be in any case.
"""

import re
from dataclasses import dataclass

from bindery.errors import InvalidValue
from bindery.filters import (
    MOST_DEPTH,
    And,
    Compare,
    Filter,
    Not,
    Operator,
    Or,
    Scalar,
    check_size,
)

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"]|"")*"|'(?:[^']|'')*')
    | (?P<key>`(?:[^`]|``)+`)
    | (?P<date>\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?)
    | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.-]))
    | (?P<sign><=|>=|==|!=|<>|=|<|>|\(|\)|\[|\]|,)
    | (?P<word>[^\W\d][\w.-]*)
    )""",
    re.VERBOSE,
)
_SIGNS = {
    "=": Operator.EQ, "==": Operator.EQ, "!=": Operator.NE, "<>": Operator.NE,
    "<": Operator.LT, "<=": Operator.LTE, ">": Operator.GT, ">=": Operator.GTE,
    "contains": Operator.CONTAINS, "prefix": Operator.PREFIX,
}  # fmt: skip
_CLOSES = {"(": ")", "[": "]"}
_MOST_DIGITS = 400


def filter_from_text(text: str) -> Filter:
    """The filter of a text. Raises InvalidValue with the place that cannot be read."""
    return _Parser(text).parse()


@dataclass(frozen=True, slots=True)
class _Lexeme:
    kind: str
    text: str
    start: int


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._lexemes = list(self._divide())
        self._at = 0
        self._parts = 0

    def parse(self) -> Filter:
        found = self._any_of(0)
        if (rest := self._peek()) is not None:
            raise self._error(rest.start, '"and", "or" or the end')
        return found

    def _divide(self) -> list[_Lexeme]:
        found: list[_Lexeme] = []
        at, end = 0, len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None or match.lastgroup is None:
                at += len(self._text[at:]) - len(self._text[at:].lstrip())
                raise self._error(at, 'a key, a value or an operator (text is quoted: "...")')
            kind = match.lastgroup
            found.append(_Lexeme(kind, match[kind], match.start(kind)))
            at = match.end()
        return found

    def _any_of(self, depth: int) -> Filter:
        parts = [self._all_of(depth)]
        while self._takes("or"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all_of(self, depth: int) -> Filter:
        parts = [self._part(depth)]
        while self._takes("and"):
            parts.append(self._part(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _part(self, depth: int) -> Filter:
        if depth > MOST_DEPTH:
            raise self._error(self._place(), f"at most {MOST_DEPTH} levels")
        if self._takes("not"):
            return Not(self._part(depth + 1))
        if self._takes("("):
            inner = self._any_of(depth + 1)
            self._expect(")")
            return inner
        found = self._compare()
        self._parts += found.size
        check_size(self._parts, depth)
        return found

    def _compare(self) -> Compare:
        key = self._key()
        if self._takes("exists"):
            return Compare(key, Operator.EXISTS, value=True)
        if self._takes("not"):
            self._expect("in")
            return Compare(key, Operator.NIN, self._list())
        if self._takes("in"):
            return Compare(key, Operator.IN, self._list())
        sign = self._peek()
        operator = _SIGNS.get(sign.text.lower()) if sign and sign.kind != "text" else None
        if operator is None:
            raise self._error(
                self._place(), "an operator: = != < <= > >= in contains prefix exists"
            )
        self._at += 1
        return Compare(key, operator, self._value())

    def _key(self) -> str:
        one = self._peek()
        if one is None or one.kind not in {"key", "word"}:
            raise self._error(self._place(), "the name of an attribute")
        self._at += 1
        return one.text if one.kind == "word" else one.text[1:-1].replace("``", "`")

    def _list(self) -> tuple[Scalar, ...]:
        opening = self._peek()
        if opening is None or opening.text not in _CLOSES or opening.kind != "sign":
            raise self._error(self._place(), "a list: (1, 2)")
        self._at += 1
        closing, values = _CLOSES[opening.text], list[Scalar]()
        while not self._takes(closing):
            if values:
                self._expect(",")
            values.append(self._value())
        return tuple(values)

    def _value(self) -> Scalar:
        one = self._peek()
        if one is None:
            raise self._error(self._place(), "a value")
        self._at += 1
        if one.kind == "text":
            quote = one.text[0]
            return one.text[1:-1].replace(quote * 2, quote)
        if one.kind == "date":
            return one.text
        if one.kind == "number":
            if len(one.text) > _MOST_DIGITS:
                raise self._error(one.start, f"a number of at most {_MOST_DIGITS} characters")
            return float(one.text) if re.search(r"[.eE]", one.text) else int(one.text)
        if one.kind == "word" and one.text.lower() in {"true", "false"}:
            return one.text.lower() == "true"
        raise self._error(one.start, 'a value (text is quoted: "...")')

    def _peek(self) -> _Lexeme | None:
        return self._lexemes[self._at] if self._at < len(self._lexemes) else None

    def _place(self) -> int:
        one = self._peek()
        return len(self._text) if one is None else one.start

    def _takes(self, word: str) -> bool:
        one = self._peek()
        if one is None or one.kind not in {"word", "sign"} or one.text.lower() != word:
            return False
        self._at += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            raise self._error(self._place(), repr(word))

    def _error(self, place: int, expected: str) -> InvalidValue:
        rest = self._text[place : place + 20]
        found = repr(rest) if rest else "the end"
        return InvalidValue(
            f"The filter is wrong at character {place + 1}: expected {expected}, got {found}.",
            remedy='Write it like: page > 1 and language = "en".',
            param="filter",
        )
