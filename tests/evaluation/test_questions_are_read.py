"""Questions come in the formats that people have, and what cannot be read is named by its line."""

from dataclasses import replace
from pathlib import Path

import pytest

from bindery.errors import InvalidValue
from bindery.evaluation.questions import Expected, JudgedQuestion, read_questions
from bindery.search.answers import Hit
from bindery.types import Span


def hit(text: str = "-", file: str = "papers/oak.md", page: int | None = None) -> Hit:
    return Hit("id", file, text, Span(0, len(text)), 1.0, {}, {}, page=page)


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_with_the_same_question_are_one(tmp_path: Path) -> None:
    rows = (
        "question,file,page,quote\n"
        "How hard?,oak.md,2,\nHow soft?,,,lime is soft\nHow hard?,elm.md,,\n"
    )
    expected = [
        JudgedQuestion("1", "How hard?", (Expected("oak.md", page=2), Expected("elm.md"))),
        JudgedQuestion("2", "How soft?", (Expected(quote="lime is soft"),)),
    ]
    assert read_questions(written(tmp_path, "q.csv", "\ufeff" + rows)) == expected
    assert read_questions(written(tmp_path, "q.tsv", rows.replace(",", "\t"))) == expected
    lines = (
        '{"question": "How hard?", "expected": [{"file": "oak.md", "page": 2}, {"file": "elm.md"}]}'
        '\n\n{"question": "How soft?", "quote": "lime is soft"}\n'
    )
    assert read_questions(written(tmp_path, "q.jsonl", lines)) == expected


def test_beir_and_trec_name_documents(tmp_path: Path) -> None:
    written(
        tmp_path, "b/queries.jsonl", '{"_id": "7", "text": "How hard?"}\n{"_id": "8", "text": "?"}'
    )
    written(tmp_path, "b/qrels/test.tsv", "query-id\tcorpus-id\tscore\n7\toak\t2\n7\telm\t0\n")
    expected = [JudgedQuestion("7", "How hard?", (Expected("oak", grade=2),))]
    assert read_questions(tmp_path / "b") == expected
    texts = written(tmp_path, "topics.tsv", "7\tHow hard?\n")
    judgements = written(tmp_path, "qrels.txt", "7 0 oak 2\n7 0 elm 0\n")
    assert read_questions(texts, judgements) == expected


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("q.csv", "question,file\n,oak.md\n", "Line 2 of 'q.csv': it has no question"),
        ("q.csv", "question,file\nHow?,\n", "needs a file, a quote or an id"),
        ("q.csv", "question,fil\nHow?,oak\n", "Unknown field 'fil'"),
        ("q.csv", "question,file,page\nHow?,a,x\n", "must be numbers"),
        ("q.csv", "question,file,grade\nHow?,a,-1\n", "grade must be at least 1, got -1"),
        ("q.csv", "question,file\n", "no question with an answer"),
        ("q.jsonl", '{"question": "How?", "file": "a"}\n{', "Line 2 of 'q.jsonl': it is not JSON"),
        ("q.jsonl", "[1]", "it is not a JSON object"),
        ("q.jsonl", '{"question": "How?", "expected": [1]}', "must be a list of objects"),
        ("q.jsonl", '{"question": "How?", "expected": []}', "needs a file, a quote or an id"),
        ("q.jsonl", '{"question": "How?"}', "needs a file, a quote or an id"),
        ("q.docx", "", "is not a file of questions"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InvalidValue, match=r".") as raised:
        read_questions(written(tmp_path, name, text))
    assert said in raised.value.message


def test_folders_without_judgements_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="has no qrels"):
        read_questions(tmp_path)
    with pytest.raises(InvalidValue, match="cannot be read"):
        read_questions(tmp_path / "none.csv")


def test_files_are_named_as_people_name_them() -> None:
    for name in ("papers/oak.md", "oak.md", "oak"):
        assert Expected(name).matches(hit())
    for name in ("ak.md", "elm.md", "papers"):
        assert not Expected(name).matches(hit())
    assert Expected("oak", page=2).matches(hit(page=2))
    assert not Expected("oak", page=2).matches(hit(page=3))
    assert Expected("oak", page=3).matches(replace(hit(page=2), last_page=3))
    assert Expected(id="id").matches(hit())
    assert not Expected(id="other").matches(hit())


def test_a_quotation_is_found_in_the_passage_that_has_half_of_it() -> None:
    quote = Expected(quote="Oak\nis the  HARDEST wood of all")
    assert quote.matches(hit("They say: oak is the hardest wood of all."))
    assert quote.matches(hit("before it. Oak is the hardest wood"))
    assert quote.matches(hit("the hardest wood of all. And after it"))
    assert not quote.matches(hit("before it. Oak is the"))
    assert not quote.matches(hit("of all"))
