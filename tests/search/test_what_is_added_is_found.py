"""Files go in, passages come out: words, codes, scripts, phrases, filters, scores."""

import unicodedata

import numpy as np
import pytest
from sqlalchemy import update
from tests.search.synthetic import open_synthetic, put

from bindery.errors import InputError, InvalidValue, UnknownCollection, UnknownFile
from bindery.jobs import JobRequest, Jobs
from bindery.jobs.sources import LocalFiles
from bindery.options import SCORE_RANGES, SearchMode, SearchOptions, VectorOptions
from bindery.search.adding import Addition, add_local
from bindery.search.maintenance import rewrite, seal
from bindery.store import collections as catalog
from bindery.store.database.tables import jobs as job_table

MODES = list(SearchMode)
WORDS = [SearchMode.LEXICAL, SearchMode.HYBRID, SearchMode.RRF]


@pytest.mark.parametrize("mode", MODES)
def test_a_hit_says_where_it_is_from(sample, mode):
    text = (
        "# Keys\n\n## Revoking\n\nA key is revoked by `keys revoke`.\n\n# Paper\n\nPaper is thin.\n"
    )
    sample.add({"manual.md": text}, team="red")

    answer = sample.collection.search("How do I revoke a key?", SearchOptions(mode, 1))

    (hit,) = answer.hits
    assert hit.file == sample.name("manual.md")
    assert text[hit.span.start : hit.span.end] == hit.text
    assert hit.headings == ("Keys", "Revoking") or hit.headings == ("Keys",)
    assert hit.attributes == {"team": "red"}
    assert hit.language == "en"
    assert hit.kind == "markdown"
    assert (answer.model, answer.mode, answer.is_exact) == ("vanilla", mode, True)
    assert answer.stages[0].name == "filter"
    marked = {hit.text[mark.start : mark.end].lower() for mark in hit.marks}
    assert {"key", "revoked", "revoke"} & marked
    assert set(answer.facts()["hits"][0]) >= {
        "file",
        "file_id",
        "page",
        "last_page",
        "text_sha256",
        "scores",
        "ranks",
    }


QUERIES = {
    "todo.txt": "TODO: fix the pump", "cable.txt": "usb-c adapter cable",
    "hi.txt": 'say "hi" twice',
    "bell.txt": "AT&T AND Bell", "drill.txt": "NOT a drill", "gate.txt": "a OR b gate",
    "log.txt": "C:\\temp\\log", "url.txt": "https://example.org/x?y=1", "draft.txt": "(draft",
    "pairs.txt": "key:value pairs", "star.txt": "*** starred ***", "price.txt": "price ^2",
    "range.txt": "[a TO b]", "budget.txt": "what's the budget, roughly?",
    "prev.txt": "$prev operator",
    "flag.txt": "-v flag", "vote.txt": "+1 vote", "ab.txt": "a/b test", "home.txt": "~home",
}  # fmt: skip


def test_no_query_is_a_syntax(sample):
    sample.add(QUERIES)
    for name, query in QUERIES.items():
        assert sample.found(query, mode="lexical")[0] == name, query
        assert sample.found(query)[0] == name, query
    for query in ("-", "*", "**", ":", '"', "'", "(", ")", "AND", "NOT", '""', "field:~", "beta^"):
        for mode in MODES:
            sample.collection.search(query, SearchOptions(mode))
        assert len(sample.found(query, mode="lexical", top=100)) < len(QUERIES)


CODES = [
    "Certified to ISO-9001:2015", "Certified to ISO-9001:2008", "Certified to ISO-14001",
    "written in C++", "written in C", "written in C#", "see TS 38.101-1", "see TS 38.401",
    "Approved envelope: $2,400,000", "Approved envelope: $2,400", "release v1.1.6",
    "release v1.6.1", "ticket NIMB-018", "ticket NIMB-081",
]  # fmt: skip


def test_a_code_finds_the_file_with_exactly_that_code(sample):
    sample.add({f"{n}.txt": text for n, text in enumerate(CODES)})
    for n, text in enumerate(CODES):
        code = text.split()[-1]
        assert sample.found(code, mode="lexical")[0] == f"{n}.txt", code
        assert sample.found(code)[0] == f"{n}.txt", code


def test_stop_words_alone_are_found(sample):
    texts = {
        "question.txt": "To be, or not to be, that is the question",
        "novel.txt": "We (a novel)",
        "live.txt": "The Who live",
        "vitamin.txt": "Vitamin A and the IT team",
        "never.txt": "Never gives up",
    }
    sample.add(texts)
    assert sample.found("to be or not to be", mode="lexical")[0] == "question.txt"
    assert sample.found('"to be or not"') == ["question.txt"]
    assert sample.found("we", mode="lexical") == ["novel.txt"]
    assert "live.txt" in sample.found("the who", mode="lexical")
    assert sample.found("IT", mode="lexical")[0] == "vitamin.txt"
    assert "vitamin.txt" in sample.found("a", mode="lexical")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("query", ["", "   ", "\u200b", "\n"])
def test_a_blank_query_is_refused(sample, query, mode):
    with pytest.raises(InvalidValue, match="The query is blank"):
        sample.collection.search(query, SearchOptions(mode))


def test_phrases_must_stand_in_the_passage(sample):
    sample.add({"yes.txt": "The red fox jumps.", "no.txt": "A fox is red, and jumps."})
    for mode in MODES:
        assert sample.found('"red fox"', mode=mode) == ["yes.txt"]
        assert sample.found('jumping "fox is red"', mode=mode) == ["no.txt"]
        assert sample.found('"fox red"', mode=mode) == []


def test_chinese_is_found_without_spaces(sample):
    texts = [
        "GitHub备份脚本上传失败",
        "SSH密钥服务器配置",
        "外币汇率换算说明",
        "今天玩成语接龙游戏",
    ]
    sample.add({f"{n}.txt": text for n, text in enumerate(texts)})
    sample.add({"apart.txt": "备用的一份文件"})
    for query, n in [
        ("备份", 0), ("备份脚本", 0), ("GitHub", 0), ("汇率换算", 2), ("成语接龙", 3),
        ("SSH密钥", 1), ("玩", 3),
    ]:  # fmt: skip
        assert sample.found(query, mode="lexical") == [f"{n}.txt"], query


def test_spellings_meet_and_the_exact_one_ranks_first(sample):
    sample.add({"accent.txt": "Das Café ist offen", "plain.txt": "Das Cafe ist offen"})
    for query, first in [("café", "accent.txt"), ("cafe", "plain.txt")]:
        found = sample.found(query, mode="lexical")
        assert set(found) == {"accent.txt", "plain.txt"}
        assert found[0] == first


def test_composed_and_decomposed_texts_are_one(sample):
    text = "학점인정 Größe café"
    forms = {name: unicodedata.normalize(name, text) for name in ("NFC", "NFD")}
    sample.add({f"{name}.txt": form for name, form in forms.items()})
    for form in forms.values():
        for word in form.split():
            assert set(sample.found(word, mode="lexical")) == {"NFC.txt", "NFD.txt"}
    for hit in sample.collection.search("Größe").hits:
        stem = hit.file.rpartition("/")[2].removesuffix(".txt")
        assert hit.text == forms[stem][hit.span.start : hit.span.end]


@pytest.mark.parametrize("mode", MODES)
def test_a_filter_never_loses_hits(sample, mode):
    drop = {f"d{n}.txt": f"gamma gamma gamma gamma gamma d{n}" for n in range(30)}
    keep = {f"k{n}.txt": f"gamma filler filler filler filler k{n}" for n in range(12)}
    sample.add(drop, tag="drop")
    sample.add(keep, tag="keep")

    found = sample.found("gamma", mode=mode, top=12, filter='tag = "keep"')

    assert sorted(found) == sorted(keep)
    assert len(sample.found("gamma", mode=mode, filter='tag = "keep"', diversity=0.5)) == 10
    assert sample.found("gamma", mode=mode, filter="tag in ()") == []
    pages = sample.found("gamma", mode=mode, top=12, filter='file prefix "texts/k"')
    assert sorted(pages) == sorted(keep)


def test_a_filter_that_is_not_understood_is_an_error(sample):
    sample.add({"one.txt": "a text"}, year=2020)
    for text, message in [
        ("yaer = 2020", "Unknown attribute 'yaer' in the filter. Did you mean 'year'?"),
        ('year = "2020"', "it is a number, compared with '2020'"),
    ]:
        with pytest.raises(InvalidValue) as caught:
            sample.found("text", filter=text)
        assert message in str(caught.value)


def test_attributes_have_one_type_and_can_be_replaced(sample):
    sample.add({"one.txt": "a text"}, year=2020)
    with pytest.raises(InvalidValue, match="it is a number, got a text"):
        sample.add({"two.txt": "a text"}, year="old")
    with pytest.raises(InvalidValue, match="'kind' is set by Bindery for every file"):
        sample.add({"two.txt": "a text"}, kind="x")
    name = sample.name("one.txt")
    sample.collection.set_attributes(name, {"year": 2021, "tags": ["a", "b"], "gone": None})
    assert sample.found("text", filter='year = 2021 and tags = "b"') == ["one.txt"]
    with pytest.raises(UnknownFile):
        sample.collection.set_attributes("absent", {})


@pytest.mark.parametrize("mode", MODES)
def test_scores_fall_stay_in_their_range_and_bear_a_threshold(sample, mode):
    sample.add(
        {f"{n}.txt": f"Loose paper number {n} is fragile. " * (1 + n % 3) for n in range(12)}
    )
    for query in ("Loose paper number 3 is fragile.", "fragile things", "xqz blorp"):
        hits = sample.collection.search(query, SearchOptions(mode)).hits
        scores = [hit.score for hit in hits]
        low, high = SCORE_RANGES[mode]
        assert scores == sorted(scores, reverse=True)
        assert all(low <= score <= high + 1e-6 for score in scores)
        if len(scores) >= 3:
            limit = min(scores[2], high)
            kept = sample.collection.search(query, SearchOptions(mode, score_threshold=limit)).hits
            assert [hit.id for hit in kept] == [hit.id for hit in hits if hit.score >= limit]


def test_a_file_may_have_few_hits(sample):
    long = "\n\n".join(f"Section {n}. " + "Fragile paper needs a binding. " * 20 for n in range(6))
    sample.add(
        {"long.txt": long, "short.txt": "Fragile paper.", "other.txt": "Paper, and fragile."}
    )
    found = sample.found("fragile paper", limit_per_file=1)
    assert sorted(found) == ["long.txt", "other.txt", "short.txt"]


def test_an_empty_collection_answers(sample):
    for mode in MODES:
        assert sample.found("anything", mode=mode) == []


def test_collections_have_names(collections, sample):
    with pytest.raises(
        InvalidValue, match=f"The collection {sample.collection.name!r} already exists"
    ):
        collections.create(sample.collection.name, sample.collection.recipe)
    for name in ("", "  ", " a", ".", "..", "a/b", "a\nb", "x" * 101):
        with pytest.raises(InvalidValue, match="cannot be the name of a collection"):
            collections.create(name, sample.collection.recipe)
    with pytest.raises(UnknownCollection, match="There is no collection 'nowhere'"):
        collections.get("nowhere")
    assert sample.collection.name in [one.name for one in collections]


def test_two_may_add_to_one_collection_at_once(sample):
    """The second leaves the job of the first alone, and forgets those that were left behind."""
    (sample.folder / "a.txt").write_text("The heliotrope turns to the sun.")
    inner = sample.folder.parent / "inner"
    inner.mkdir()
    (inner / "b.txt").write_text("Vaults are opened on Mondays.")

    def run_late(jobs, job_id):
        sample.add_paths(inner)
        jobs.run(job_id)

    report = sample.add_paths(run=run_late)

    assert report.added == ("texts/a.txt",)
    assert report.is_complete
    assert sorted(file.name for file in sample.collection.files()) == ["inner/b.txt", "texts/a.txt"]
    assert Jobs(sample.library).list(f"collection:{sample.collection.id}") == []


def test_a_job_that_was_left_behind_is_forgotten(sample):
    (sample.folder / "a.txt").write_text("The heliotrope turns to the sun.")
    files = {"a.txt": sample.folder / "a.txt"}
    jobs = Jobs(sample.library, source=LocalFiles(files, timeout_s=60, limit_bytes=1 << 20))
    owner = f"collection:{sample.collection.id}"
    # With roots, as a command has them: a server of the same home leaves such a job alone.
    roots = {sample.folder.name: str(sample.folder)}
    left = jobs.submit(sample.collection.request(["a.txt"], roots=roots), owner=owner)
    jobs.delete_stopped(owner)
    assert [job.id for job in jobs.list(owner)] == [left.id]
    with sample.library.database.writing() as connection:
        connection.execute(update(job_table).values(created_at=0).where(job_table.c.id == left.id))
    jobs.delete_stopped(owner)
    assert jobs.list(owner) == []


def test_a_collection_is_made_once_there_is_a_file(library, collections, tmp_path, new_name):
    name = new_name()
    request = JobRequest(("-",), vectors=VectorOptions(dimensions=128, any_dimensions=True))

    def open_it(path, asked):
        return add_local(collections, Addition(name, [path], asked))[0]

    with pytest.raises(UnknownFile, match="There is no file"):
        open_it(tmp_path / "mistyped", JobRequest(("-",)))
    with pytest.raises(InputError, match="There is no file to add"):
        open_it(tmp_path, JobRequest(("-",)))
    assert collections.find(name) is None

    (tmp_path / "a.txt").write_text("The heliotrope turns to the sun.")
    made = open_it(tmp_path, request)

    assert made.recipe.dimensions == 128
    assert open_it(tmp_path, JobRequest(("-",))) is made
    assert open_it(tmp_path, request) is made
    other = JobRequest(("-",), vectors=VectorOptions(dimensions=64, any_dimensions=True))
    with pytest.raises(InvalidValue, match="was made with dimensions 128, not 64"):
        open_it(tmp_path, other)


def test_the_last_word_may_be_the_beginning_of_one_if_asked(sample):
    sample.add(
        {
            "revoke.md": "# On revoking\n\nA key is revoked by its owner.",
            "index.txt": "The index is immutable.",
            "star.txt": "revok* is not a pattern",
        }
    )

    def found(query, **more):
        return set(sample.found(query, mode="lexical", **more))

    for beginning in ("rev", "revo", "revok", "revoki", "revoke", "REVOK"):
        assert "revoke.md" in found(beginning, prefix=True), beginning
        assert "revoke.md" in found(f"key {beginning}", prefix=True), beginning
    assert found("the in", prefix=True) >= {"index.txt"}, "a stop word may be a beginning"
    assert "revoke.md" not in found("rev")
    assert found("rev key", prefix=True) == {"revoke.md"}, "the last word alone"
    assert found("zzz", prefix=True) == set()
    assert found("rev*") == set(), "no character is a syntax"
    hit = sample.collection.search("revo", SearchOptions("lexical", prefix=True)).hits[0]
    assert "revoked" in {hit.text[mark.start : mark.end] for mark in hit.marks}


def test_words_are_marked_in_headings_titles_and_names_of_files(sample):
    sample.add({"vault-guide.md": "# The vault\n\n## Opening a vault\n\nIt opens on Mondays.\n"})
    hit = sample.collection.search("vault opening", SearchOptions("lexical", 1)).hits[0]

    def marked(text, marks):
        return [text[mark.start : mark.end] for mark in marks]

    assert [
        marked(heading, marks)
        for heading, marks in zip(hit.headings, hit.heading_marks, strict=True)
    ] == [["vault"], ["Opening", "vault"]][: len(hit.headings)]
    assert marked(hit.title, hit.title_marks) == ["vault"]
    assert "vault" in "".join(marked(hit.file, hit.file_marks))


def test_a_word_of_the_title_counts_more_than_one_of_the_text(sample):
    sample.add(
        {
            "a.md": "# Heliotropes\n\nThey turn.",
            "b.md": "# Flowers\n\nOne of the heliotropes turns to the sun.",
        }
    )
    assert sample.found("heliotropes", mode="lexical")[0] == "a.md"


def test_a_view_reads_what_has_changed_alone(home, collection, monkeypatch):
    """Whatever changes, a view that was refreshed is as one that is read anew."""
    asked = []
    real = catalog.list_files

    def list_files(connection, collection_id, numbers=None):
        asked.append(None if numbers is None else len(numbers))
        return real(connection, collection_id, numbers)

    monkeypatch.setattr(catalog, "list_files", list_files)
    put(home, collection, {f"{n}.md": [f"text {n}", f"more {n}"] for n in range(20)}, {"year": 1})
    collection.index.view()
    steps = [
        (lambda: seal(collection.index, least_rows=1), 20),
        (lambda: put(home, collection, {"new.md": ["brand new"]}), 1),
        (lambda: put(home, collection, {"3.md": ["other text"]}), 1),
        (lambda: collection.set_attributes("4.md", {"year": 2}), 1),
        (lambda: collection.remove(["6.md", "7.md"]), 2),
        (lambda: collection.change(weight=0.5), 0),
        (lambda: rewrite(collection.index, most_dead=0.0), None),
        (collection.rebuild_index, None),
        (lambda: collection.rename({"moved.md": "5.md"}, {"moved.md": "/moved.md"}), 1),
    ]
    for step, read in steps:
        step()
        asked.clear()
        view = collection.index.view()
        if read is not None:
            assert asked == [read]
        fresh = open_synthetic(home).index.view()
        assert view.files == fresh.files
        assert view.chunk_sets == fresh.chunk_sets
        assert view.rows == fresh.rows
        rows = [
            sorted(
                (segment.table.ids[row].tobytes(), int(segment.table.files[row]))
                for segment in one.segments
                for row in np.flatnonzero(segment.alive)
            )
            for one in (view, fresh)
        ]
        assert rows[0] == rows[1]
