"""Tests of retrieval: questions in a file, what each must find, and within which rank."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from xml.etree.ElementTree import Element, SubElement, tostring

import yaml

from bindery.errors import InvalidValue
from bindery.evaluation.questions import EXPECTED_FIELDS, Expected, expected_in
from bindery.options import SearchOptions
from bindery.search.answers import Hit
from bindery.search.collection import Collection
from bindery.search.why_not import PassageName

_WITHIN = 10
_DEPTH = 100
_OPTIONS = ("mode", "filter", "score_threshold")
_FIELDS = ("question", "expected", *EXPECTED_FIELDS, "within", "absent", "nothing", *_OPTIONS)


@dataclass(frozen=True, slots=True)
class RetrievalCheck:
    """A question and what must hold for its hits.

    Every one of ``expected`` must be among the first ``within``, or must not if ``absent``. With
    ``nothing`` there must be no hit at all.
    """

    question: str
    expected: tuple[Expected, ...] = ()
    within: int = _WITHIN
    absent: bool = False
    nothing: bool = False
    options: SearchOptions = field(default_factory=SearchOptions)

    def __post_init__(self) -> None:
        if not 1 <= self.within <= _DEPTH:
            raise InvalidValue(f"within must be 1 to {_DEPTH}, got {self.within}.", param="within")
        if self.nothing == bool(self.expected):
            raise InvalidValue(
                "A check needs what is expected (file, quote or id), or nothing: true."
            )


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Whether a check holds; otherwise why not, and which stage lost the passage."""

    check: RetrievalCheck
    failures: tuple[str, ...]

    @property
    def is_passed(self) -> bool:
        """Whether everything is as it must be."""
        return not self.failures

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "question": self.check.question,
            "passed": self.is_passed,
            "failures": list(self.failures),
        }


def read_checks(path: Path) -> list[RetrievalCheck]:
    """The checks of a YAML or JSON file, in order. Raises InvalidValue, which names the entry."""
    try:
        entries: object = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = (isinstance(error, OSError) and error.strerror) or error
        raise InvalidValue(
            f"The checks in {str(path)!r} cannot be read: {why}.", param="checks"
        ) from error
    if not isinstance(entries, list) or not entries:
        raise InvalidValue(f"{str(path)!r} has no list of checks.", param="checks")
    found: list[RetrievalCheck] = []
    for number, entry in enumerate(cast("list[object]", entries), 1):
        try:
            found.append(_check_of(entry))
        except InvalidValue as error:
            raise InvalidValue(
                f"Check {number} of {path.name!r}: {error.message}",
                remedy=error.remedy,
                param="checks",
            ) from error
    return found


def _check_of(entry: object) -> RetrievalCheck:
    if not isinstance(entry, Mapping):
        raise InvalidValue("It must have fields, such as question and file.")
    fields = cast("Mapping[str, Any]", entry)
    if unknown := {str(key) for key in fields if key not in _FIELDS}:
        raise InvalidValue(
            f"Unknown field {min(unknown)[:80]!r}.", remedy=f"Known: {', '.join(_FIELDS)}."
        )
    if not isinstance(fields.get("question"), str) or not fields["question"].strip():
        raise InvalidValue("It has no question.")
    named = {key: value for key, value in fields.items() if key in ("expected", *EXPECTED_FIELDS)}
    within, absent, nothing = (
        fields.get(name, usual)
        for name, usual in (("within", _WITHIN), ("absent", False), ("nothing", False))
    )
    if not isinstance(within, int) or not isinstance(absent, bool) or not isinstance(nothing, bool):
        raise InvalidValue("within must be a whole number; absent and nothing are true or false.")
    return RetrievalCheck(
        fields["question"],
        tuple(expected_in(named)) if named else (),
        within,
        absent,
        nothing,
        SearchOptions(top=_DEPTH, **{name: fields[name] for name in _OPTIONS if name in fields}),
    )


def run_checks(collection: Collection, checks: Sequence[RetrievalCheck]) -> list[CheckResult]:
    """The result of each check, in order. Raises what a search does."""
    return [CheckResult(check, tuple(_failures(collection, check))) for check in checks]


def _failures(collection: Collection, check: RetrievalCheck) -> list[str]:
    hits = collection.search(check.question, check.options).hits
    if check.nothing:
        return [f"{len(hits)} hits, the first in {hits[0].file!r}"] if hits else []
    found: list[str] = []
    for one in check.expected:
        place, hit = next(
            ((rank, hit) for rank, hit in enumerate(hits, 1) if one.matches(hit)), (0, None)
        )
        is_within = 0 < place <= check.within
        if check.absent and is_within:
            found.append(f"{_named(one)} is at rank {place}")
        elif not check.absent and not is_within:
            found.append(f"{_named(one)} {_lost(collection, check, one, place, hit)}")
    return found


def _lost(
    collection: Collection, check: RetrievalCheck, one: Expected, place: int, hit: Hit | None
) -> str:
    """Where a passage is instead, and which stage lost it."""
    if hit is not None:
        used = {name: rank for name, rank in hit.ranks.items() if _is_used(name, hit)}
        ranks = ", ".join(f"{name} {rank or 'none'}" for name, rank in used.items())
        lost = [name for name, rank in used.items() if rank is None or rank > check.within]
        stage = f", lost by {lost[0]}" if lost else ""
        return f"is at rank {place}{stage} (ranks: {ranks})"
    wanted = PassageName(one.id, one.file, one.quote, one.page)
    found = collection.why_not(check.question, wanted, check.options)
    return f"is not found ({found.reason}): {found.message} {found.remedy}".strip()


def _is_used(stage: str, hit: Hit) -> bool:
    """Whether the mode has the stage: a leg that it does not have gives no score."""
    leg = {"dense": "cosine", "lexical": "bm25"}.get(stage)
    return leg is None or hit.scores[leg] is not None


def _named(one: Expected) -> str:
    parts = [
        f"file {one.file!r}" if one.file else "",
        f"page {one.page}" if one.page is not None else "",
        f"quote {one.quote[:60]!r}" if one.quote else "",
        f"id {one.id}" if one.id else "",
    ]
    return ", ".join(part for part in parts if part)


def to_junit(name: str, results: Sequence[CheckResult]) -> bytes:
    """The results as a JUnit XML file, which CI services show."""
    failed = sum(not one.is_passed for one in results)
    suite = Element("testsuite", name=name, tests=str(len(results)), failures=str(failed))
    for one in results:
        case = SubElement(suite, "testcase", classname=name, name=_plain(one.check.question))
        if not one.is_passed:
            message = _plain("; ".join(one.failures))
            SubElement(case, "failure", message=message).text = message
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + tostring(suite, encoding="utf-8")


def _plain(text: str) -> str:
    """A text that XML may hold."""
    return "".join(c if c.isprintable() else " " for c in text)
