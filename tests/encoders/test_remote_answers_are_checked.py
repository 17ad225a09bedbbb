"""A vendor's answer is checked whole: it is what was asked for, or it is refused and named."""

from base64 import b64encode
from collections.abc import Iterator

import numpy as np
import pytest
from tests.encoders.fault_server import WIDTH, FaultServer, changed, endless, raw, vectors_of
from tests.encoders.remote_rows import bounded, entry

from bindery.errors import VendorBroken
from bindery.models.endpoint import EncodingFormat, Vendor

TEXTS = ["one", "two", "three"]


@pytest.fixture(autouse=True)
def _fresh(server: FaultServer) -> Iterator[None]:
    yield
    server.clear()


def _data(change):
    def whole(good):
        change(good["data"])
        return good

    return changed(whole)


def _embedding(place, value):
    return _data(lambda data: data[place].update(embedding=value))


BROKEN = {
    "no JSON": (raw(b"oh"), "it is not JSON"),
    "half JSON": (raw(b'{"data": ['), "it is not JSON"),
    "a page": (raw(b"<!doctype html><title>Sign in</title>", "text/html"), "a web page"),
    "a page called JSON": (raw(b"\n<html></html>"), "a web page"),
    "nothing": (raw(b""), "it is not JSON"),
    "a list": (raw(b"[]"), "it has no data"),
    "no data": (raw(b'{"object": "list"}'), "it has no data"),
    "data that is null": (raw(b'{"data": null}'), "data is not a list"),
    "too few": (_data(lambda data: data.pop()), "2 vectors for 3 texts"),
    "too many": (_data(lambda data: data.append(data[0])), "4 vectors for 3 texts"),
    "an index twice": (_data(lambda data: data[2].update(index=0)), "0 to 2, each once"),
    "an index from 1": (_data(lambda data: data[0].update(index=3)), "0 to 2, each once"),
    "an index that is a text": (_data(lambda data: data[0].update(index="0")), "each once"),
    "an index that is true": (_data(lambda data: data[1].update(index=True)), "each once"),
    "no index": (_data(lambda data: data[0].pop("index")), "it has no index"),
    "an item that is null": (_data(lambda data: data.__setitem__(0, None)), "it has no index"),
    "no embedding": (_data(lambda data: data[1].pop("embedding")), "it has no embedding"),
    "a null vector": (_embedding(1, None), "vector 1 is neither"),
    "a null value": (_embedding(1, [None] * WIDTH), "vector 1 .* not a number"),
    "a text value": (_embedding(1, ["1.0"] * WIDTH), "vector 1 .* not a number"),
    "a nested vector": (_embedding(1, [[1.0] * WIDTH]), "vector 1 .* not a number"),
    "a ragged vector": (_embedding(1, [[1.0], [1.0, 2.0]]), "vector 1 is nested"),
    "a short vector": (_embedding(2, [1.0]), "differ in length: 1, 8"),
    "an empty vector": (_embedding(2, []), "differ in length: 0, 8"),
    "a value beyond float32": (_embedding(2, [1e300] * WIDTH), "vector 2 .* not finite"),
    "no base64": (_embedding(0, "*" * 44), "vector 0 is not base64"),
    "base64 of 7 bytes": (_embedding(0, "AAAAAAAAAA=="), "vector 0 is not base64"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_told_and_not_asked_for_again(server, clock, name):
    fault, complaint = BROKEN[name]
    server.script = [fault]
    encoder = bounded(entry(server), pace=clock.pace(), encoding_format=EncodingFormat.FLOAT)
    with pytest.raises(VendorBroken, match=complaint) as caught:
        encoder.encode(TEXTS, "query")
    encoder.close()
    assert "to texts 0 to 2 cannot be used" in caught.value.message
    assert len(server.seen) == 1


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(server, clock, literal):
    row = ", ".join([literal] * WIDTH)
    server.script = [raw(f'{{"data": [{{"index": 0, "embedding": [{row}]}}]}}'.encode())]
    encoder = bounded(entry(server), pace=clock.pace())
    with pytest.raises(VendorBroken, match=r"not JSON|not finite"):
        encoder.encode(["a"], "query")
    encoder.close()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_base64_that_is_not_finite_is_refused(server, clock, bad):
    def spoil(good):
        row = vectors_of(["a"])[0].copy()
        row[3] = bad
        good["data"][1]["embedding"] = b64encode(row.tobytes()).decode()
        return good

    server.script = [changed(spoil)]
    encoder = bounded(entry(server), pace=clock.pace())
    with pytest.raises(VendorBroken, match="vector 1 holds a value that is not finite"):
        encoder.encode(TEXTS, "query")
    encoder.close()


@pytest.mark.parametrize("vendor", Vendor)
def test_vectors_of_another_length_are_refused(server, clock, vendor):
    encoder = bounded(entry(server, vendor, dimensions=WIDTH + 1), pace=clock.pace())
    with pytest.raises(VendorBroken, match="8 values, not 9"):
        encoder.encode(TEXTS, "query")
    encoder.close()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda good: {**good, "embeddings": []}, "no embeddings.float"),
        (lambda good: {**good, "embeddings": {"int8": []}}, "no embeddings.float"),
        (lambda good: {**good, "embeddings": {"float": []}}, "0 vectors for 3 texts"),
        (lambda good: {**good, "embeddings": {"float": [[None] * WIDTH] * 3}}, "not a number"),
    ],
)
def test_a_broken_answer_of_cohere_is_told(server, clock, change, complaint):
    server.script = [changed(change)]
    encoder = bounded(entry(server, Vendor.COHERE), pace=clock.pace())
    with pytest.raises(VendorBroken, match=complaint):
        encoder.encode(TEXTS, "query")
    encoder.close()


def test_an_endless_answer_is_not_read_to_its_end(server, clock):
    server.script = [endless]
    encoder = bounded(entry(server), pace=clock.pace())
    with pytest.raises(VendorBroken, match=r"longer than 10\d{5} bytes"):
        encoder.encode(TEXTS, "query")
    encoder.close()
