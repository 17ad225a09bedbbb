"""A collection goes to a file and back as it was, and comes from what others keep."""

import json

import numpy as np
import pytest
from tests.homes import home_with
from typer.testing import CliRunner

from bindery.errors import ExtraMissing, InvalidValue
from bindery.faces.cli.app import app
from bindery.library import Library
from bindery.options import SearchOptions
from bindery.search.collection import Collections
from bindery.search.exchange import export_collection
from bindery.search.foreign import import_collection
from bindery.store import derived, placements

TEXTS = {
    "keys.md": "# Keys\n\nA key is revoked by `keys revoke`.\n\n## Locks\n\nA lock is oiled.",
    "vault.txt": "Vaults are opened on Mondays. " * 40,
    "straße.txt": "Die Straße ist lang, und alle Häuser stehen an ihr.",
}


def kept(collection):
    """All that a collection has: files, chunks and the bytes of their vectors."""
    found = {}
    with collection.index.database.reading() as connection:
        numbers = {file.number: file for file in collection.files()}
        for one in placements.list_placements(connection, collection.stored.generation):
            chunks = [c for part in derived.read_chunks(connection, one.chunk_set) for c in part]
            chunk_set = derived.find_chunks(connection, one.chunk_set)
            keys = collection.recipe.vector_keys(chunks, chunk_set.document)
            vectors = derived.find_vectors(connection, keys)
            file = numbers[one.file]
            facts = (file.kind, file.title, file.language, dict(file.attributes), file.content)
            found[file.name] = (facts, chunks, [vectors[key].rows for key in keys])
    return found


def test_a_round_trip_keeps_everything_bit_for_bit(sample, tmp_path, minilm_folder, new_name):
    sample.add(TEXTS, year=2024, tags=["a", "b"], due="2024-12-31")
    sample.collection.change(weight=0.4)
    path = tmp_path / "collection.parquet"
    chunks = export_collection(sample.collection, path)

    library = Library(home_with(minilm_folder, tmp_path / "elsewhere"))
    for collections in (Collections(library), sample.collections):
        name = new_name()
        report = import_collection(collections, name, path)
        assert (report.collection, report.files, report.chunks) == (name, 3, chunks)
        collection = collections.get(name)
        assert kept(collection) == kept(sample.collection)
        for mode in ("hybrid", "dense", "lexical"):
            options = SearchOptions(mode, filter='year = 2024 and due > "2024-01-01"')
            ours, theirs = (
                one.search("revoke a key", options) for one in (sample.collection, collection)
            )
            assert [(hit.id, hit.score, hit.attributes) for hit in ours.hits] == [
                (hit.id, hit.score, hit.attributes) for hit in theirs.hits
            ]
            assert ours.hits
        assert collection.stored.settings.weight == 0.4
    library.close()


def test_imported_vectors_are_not_taken_for_computed_ones(sample, tmp_path, new_name):
    """A file that somebody sends may say anything of a text."""
    sample.add({"vault.txt": "Vaults are opened on Mondays."})
    export_collection(sample.collection, tmp_path / "right.parquet")
    import_collection(sample.collections, new := new_name(), tmp_path / "right.parquet")
    ours, theirs = sample.collection.chunk_sets(), sample.collections.get(new).chunk_sets()
    assert set(ours) == set(theirs)
    assert set(ours.values()).isdisjoint(theirs.values())


def lines(path, *records):
    path.write_text("\n".join(json.dumps(record) for record in records))
    return path


def vector(*, at=0, value=1.0, width=384):
    return [value if n == at else 0.0 for n in range(width)]


def test_records_are_imported_with_and_without_vectors(sample, library, tmp_path, new_name):
    folder = tmp_path / "records"
    folder.mkdir()
    lines(
        folder / "a.jsonl",
        {"id": "oak", "text": "Oak lasts for centuries.", "metadata": {"year": 2020, "page": 3}},
        {"text": "Paper is made of wood.", "embedding": vector(at=1, value=5.0), "year": 1999},
    )
    lines(
        folder / "b.jsonl",
        {"document": "Ink is old.", "tags": ["a"], "file": "x", "more": {"b": 1}},
    )
    name = new_name()
    report = import_collection(sample.collections, name, folder)
    assert (report.files, report.chunks) == (3, 3)
    collection = sample.collections.get(name)
    assert {file.name: dict(file.attributes) for file in collection.files()} == {
        "oak": {"year": 2020},
        "a:2": {"year": 1999},
        "b:1": {"tags": ["a"], "original_file": "x", "more": '{"b":1}'},
    }
    (hit, *_) = collection.search(
        "How long does oak last?", SearchOptions(filter="year > 2000")
    ).hits
    assert (hit.file, hit.page) == ("oak", 3)
    _, computed = library.embed("vanilla", ["Oak lasts for centuries."])
    assert np.frombuffer(kept(collection)["oak"][2][0], "<f4") == pytest.approx(
        computed.embeddings[0][0], abs=1e-5
    )
    given = np.frombuffer(kept(collection)["a:2"][2][0], "<f4")
    assert given.tolist() == vector(at=1)  # of length 1


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": "x", "embedding": vector(value=0.0)}, "line 2: the vector is all zeros"),
        ({"text": "x", "embedding": vector(value=float("nan"))}, "line 2: the vector has a value"),
        ({"text": "x", "embedding": vector(width=383)}, "line 2: the vector has 383 numbers"),
        ({"text": "x", "embedding": "no"}, "line 2: the vector is not a list of numbers"),
        ({"text": "x", "embedding": []}, "line 2: the vector has 0 numbers"),
        ({"text": " "}, "line 2: no text"),
        ([1], "line 2: not a JSON object"),
        ({"text": "x", "year": "new"}, "line 2: Attribute 'year'"),
        ({"id": "first", "text": "x"}, "There are two files with the name 'first'"),
    ],
)
def test_a_wrong_record_is_refused_by_its_line(sample, tmp_path, new_name, record, message):
    first = {"id": "first", "text": "Oak lasts.", "year": 2020, "embedding": vector()}
    before = [one.name for one in sample.collections]
    with pytest.raises(InvalidValue) as caught:
        import_collection(
            sample.collections, new_name(), lines(tmp_path / "records.jsonl", first, record)
        )
    assert message in caught.value.message
    assert [one.name for one in sample.collections] == before


def test_a_wrong_table_is_refused(sample, tmp_path, new_name):
    sample.add({"vault.txt": "Vaults are opened on Mondays."})
    path = tmp_path / "collection.parquet"
    export_collection(sample.collection, path)
    with pytest.raises(InvalidValue, match="already exists"):
        import_collection(sample.collections, sample.collection.name, path)
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InvalidValue, match="does not hold vectors"):
        import_collection(sample.collections, new_name(), torn)
    with pytest.raises(InvalidValue, match="Unknown store 'pinecone'"):
        import_collection(sample.collections, new_name(), tmp_path, store="pinecone")
    with pytest.raises(ExtraMissing, match="Chroma is read by its own library"):
        import_collection(sample.collections, new_name(), tmp_path, store="chroma", table="x")


def test_commands_export_and_import(sample, environment, tmp_path, new_name):
    sample.add({"vault.txt": "Vaults are opened on Mondays."})
    name, path = new_name(), tmp_path / "collection.parquet"

    def run(*arguments):
        return CliRunner().invoke(app, ["collections", *arguments, "--json"], env=environment)

    exported = run("export", sample.collection.name, str(path))
    assert json.loads(exported.stdout)["chunks"] == 1
    imported = run("import", name, str(path))
    assert json.loads(imported.stdout) == {"collection": name, "files": 1, "chunks": 1}
    assert kept(sample.collections.get(name)) == kept(sample.collection)
    wrong = run("export", sample.collection.name, str(tmp_path / "collection.csv"))
    assert (wrong.exit_code, json.loads(wrong.stdout)["error"]["code"]) == (2, "invalid_value")


def test_an_export_comes_over_http(sample, client, tmp_path, new_name):
    sample.add({"vault.txt": "Vaults are opened on Mondays."})
    answer = client.get(f"/collections/{sample.collection.name}/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    path = tmp_path / "collection.parquet"
    path.write_bytes(answer.content)
    import_collection(sample.collections, name := new_name(), path)
    assert kept(sample.collections.get(name)) == kept(sample.collection)
    lines = client.get(f"/collections/{name}/export", params={"format": "jsonl", "form": "int8"})
    assert json.loads(lines.text)["text"] == "Vaults are opened on Mondays."
    assert client.get("/collections/nowhere/export").json()["error"]["code"] == "unknown_collection"
