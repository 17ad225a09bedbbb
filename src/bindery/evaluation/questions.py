"""Questions and the passages that answer them, read from a file or a folder.

CSV, TSV and JSON lines have a row for each question and passage; BEIR's folders and TREC's
judgements name whole documents.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bindery.errors import InvalidValue
from bindery.search.answers import Hit
from bindery.search.queries import plain_words
from bindery.search.view import names_of

EXPECTED_FIELDS = ("file", "page", "quote", "id", "grade")
"""The fields by which files name what answers a question."""

_BEST_QRELS = ("test", "dev", "train")


@dataclass(frozen=True, slots=True)
class Expected:
    """What answers a question: a file, a page of it, a quotation, or a chunk by its id.

    A file is named as in the collection, by the end of its path, or without its ending. A passage
    must match everything that is given. Of a quotation, at least half must be in the passage.
    ``grade`` is how relevant it is, 1 if nothing finer is known.
    """

    file: str = ""
    page: int | None = None
    quote: str = ""
    id: str = ""
    grade: int = 1

    def __post_init__(self) -> None:
        if not (self.file or self.quote or self.id):
            raise InvalidValue("An expected passage needs a file, a quote or an id.", param="file")
        if self.grade < 1:
            raise InvalidValue(f"grade must be at least 1, got {self.grade}.", param="grade")

    @property
    def is_file(self) -> bool:
        """Whether any passage of the file will do."""
        return self.page is None and not self.quote and not self.id

    def is_in(self, name: str) -> bool:
        """Whether the passage may be in a file of this name."""
        return not self.file or self.file in names_of(name)

    def _is_on_page(self, hit: Hit) -> bool:
        first, last = hit.page, hit.last_page
        return first is not None and self.page in range(first, (last or first) + 1)

    def matches(self, hit: Hit) -> bool:
        """Whether a hit is the passage, or holds enough of it."""
        return (
            (not self.id or self.id == hit.id)
            and self.is_in(hit.file)
            and (self.page is None or self._is_on_page(hit))
            and (not self.quote or _shares(plain_words(self.quote), plain_words(hit.text)))
        )


@dataclass(frozen=True, slots=True)
class JudgedQuestion:
    """A question, and the passages of which each answers it."""

    id: str
    text: str
    expected: tuple[Expected, ...]


def _shares(quote: str, text: str) -> bool:
    """Whether a text holds a quotation, or at either of its ends at least half of it."""
    if quote in text:
        return True
    half = (len(quote) + 1) // 2
    for size in range(len(quote) - 1, half - 1, -1):
        if text.endswith(quote[:size]) or text.startswith(quote[-size:]):
            return True
    return text != "" and len(text) >= half and text in quote


def read_questions(path: Path, judgements: Path | None = None) -> list[JudgedQuestion]:
    """The questions of a file or a BEIR folder, in order, each with what answers it.

    ``judgements`` is a file of TREC or BEIR for questions that only have ids. Raises InvalidValue,
    which names the line, for a question without an answer or a row that cannot be read.
    """
    try:
        if path.is_dir():
            return _read_beir(path, judgements)
        if judgements is not None:
            return _judged(_read_texts(path), _read_judgements(judgements), path)
        return _grouped(_rows(path), path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(
            f"The questions in {str(path)!r} cannot be read: {error}.", param="questions"
        ) from error


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows by the numbers of their lines."""
    ending = path.suffix.lower()
    if ending not in _READERS:
        raise InvalidValue(
            f"{path.name!r} is not a file of questions.",
            remedy=f"Use {', '.join(_READERS)}, or a folder in BEIR's format.",
            param="questions",
        )
    return _READERS[ending](path)


def _lines_of_json(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise _wrong(path, number, f"it is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise _wrong(path, number, "it is not a JSON object")
        yield number, cast("dict[str, Any]", row)


def _table(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter)
        for row in reader:
            yield reader.line_num, {str(key): value for key, value in row.items()}


_READERS: Mapping[str, Callable[[Path], Iterator[tuple[int, Mapping[str, Any]]]]] = {
    ".csv": _table,
    ".tsv": _table,
    ".jsonl": _lines_of_json,
}


def _grouped(rows: Iterable[tuple[int, Mapping[str, Any]]], path: Path) -> list[JudgedQuestion]:
    """Rows with the same question make one question."""
    found: dict[str, list[Expected]] = {}
    for number, row in rows:
        text = str(row.get("question") or "").strip()
        if not text:
            raise _wrong(path, number, "it has no question")
        try:
            some = expected_in({key: value for key, value in row.items() if key != "question"})
        except InvalidValue as error:
            raise _wrong(path, number, error.message.rstrip(".")) from error
        found.setdefault(text, []).extend(some)
    return _checked(
        [
            JudgedQuestion(str(n), text, tuple(one))
            for n, (text, one) in enumerate(found.items(), 1)
        ],
        path,
    )


def expected_in(fields: Mapping[str, Any]) -> list[Expected]:
    """What answers a question: the list ``expected``, or the fields of the only one.

    Raises InvalidValue, also if there is nothing.
    """
    parts = fields.get("expected", [fields])
    if not isinstance(parts, list) or (len(fields) > 1 and "expected" in fields):
        raise InvalidValue("expected must be a list, and then holds every file, quote and id.")
    return [_expected(part) for part in cast("list[object]", parts) or [{}]]


def _expected(row: object) -> Expected:
    if not isinstance(row, Mapping):
        raise InvalidValue("expected must be a list of objects.")
    fields = cast("Mapping[str, Any]", row)
    if unknown := {str(key) for key in fields if key not in EXPECTED_FIELDS}:
        raise InvalidValue(
            f"Unknown field {min(unknown)[:80]!r}; known: {', '.join(EXPECTED_FIELDS)}."
        )
    try:
        page = fields.get("page")
        return Expected(
            str(fields.get("file") or ""),
            None if page in (None, "") else int(page),
            str(fields.get("quote") or ""),
            str(fields.get("id") or ""),
            int(fields.get("grade") or 1),
        )
    except (TypeError, ValueError) as error:
        raise InvalidValue(f"page and grade must be numbers: {error}.") from error


def _read_beir(folder: Path, judgements: Path | None) -> list[JudgedQuestion]:
    places = [folder / "qrels" / f"{name}.tsv" for name in _BEST_QRELS]
    known = [place for place in places if place.is_file()]
    if judgements is None and not known:
        raise InvalidValue(
            f"{str(folder)!r} has no qrels/test.tsv.",
            remedy="Name the file of judgements with --judgements.",
            param="questions",
        )
    texts = {
        str(row.get("_id")): str(row.get("text"))
        for _, row in _lines_of_json(folder / "queries.jsonl")
    }
    return _judged(texts, _read_judgements(judgements or known[0]), folder)


def _read_texts(path: Path) -> dict[str, str]:
    """Questions by their ids, of JSON lines or of lines with an id, a tab and a text."""
    if path.suffix.lower() == ".jsonl":
        rows = (row for _, row in _lines_of_json(path))
        return {
            str(row.get("_id", row.get("id"))): str(row.get("text", row.get("question")))
            for row in rows
        }
    texts: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        key, tab, text = line.partition("\t")
        if line.strip() and not tab:
            raise _wrong(path, number, "an id, a tab and a question are expected")
        if line.strip():
            texts[key.strip()] = text.strip()
    return texts


def _read_judgements(path: Path) -> dict[str, dict[str, int]]:
    """The grades of documents by the ids of questions: TREC's four columns, or BEIR's three."""
    found: dict[str, dict[str, int]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        parts = line.split("\t") if "\t" in line else line.split()
        if not parts or (number == 1 and not parts[-1].lstrip("-").isdigit()):
            continue
        if len(parts) not in (3, 4):
            raise _wrong(path, number, "three or four columns are expected")
        try:
            grade = int(parts[-1])
        except ValueError as error:
            raise _wrong(path, number, f"the grade {parts[-1]!r} is not a whole number") from error
        if grade > 0:
            found.setdefault(parts[0], {})[parts[-2]] = grade
    return found


def _judged(
    texts: Mapping[str, str], grades: Mapping[str, Mapping[str, int]], path: Path
) -> list[JudgedQuestion]:
    found = [
        JudgedQuestion(
            key, texts[key], tuple(Expected(name, grade=grade) for name, grade in of.items())
        )
        for key, of in grades.items()
        if key in texts
    ]
    return _checked(found, path)


def _checked(questions: list[JudgedQuestion], path: Path) -> list[JudgedQuestion]:
    if not questions:
        raise InvalidValue(f"{str(path)!r} has no question with an answer.", param="questions")
    return questions


def _wrong(path: Path, number: int, why: str) -> InvalidValue:
    return InvalidValue(f"Line {number} of {path.name!r}: {why}.", param="questions")
