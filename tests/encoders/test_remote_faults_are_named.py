"""A vendor that is busy, slow, broken or refuses: what is tried again, and what is said."""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from tests.encoders.fault_server import (
    FaultServer,
    changed,
    cut,
    dripping,
    dripping_head,
    hung_up,
    refuse,
    silent,
    vectors_of,
)
from tests.encoders.remote_rows import Clock, bounded, entry

from bindery.errors import (
    EngineError,
    TextTooLong,
    VendorBroken,
    VendorRefused,
    VendorUnavailable,
)
from bindery.models.endpoint import Vendor

TEXTS = ["one", "two", "three"]


@pytest.fixture(autouse=True)
def _fresh(server: FaultServer) -> Iterator[None]:
    yield
    server.clear()


# What is tried again


@pytest.mark.parametrize(
    ("vendor", "status"),
    [
        *((Vendor.OPENAI, status) for status in (408, 409, 425, 429, 500, 502, 503, 529)),
        (Vendor.COHERE, 429),
        (Vendor.VOYAGE, 429),
    ],
)
def test_a_passing_fault_is_tried_again(server, clock, vendor, status):
    server.script = [refuse(status), refuse(status)]
    encoder = bounded(entry(server, vendor), pace=clock.pace())
    assert np.abs(encoder.encode(TEXTS, "query").rows - vectors_of(TEXTS)).max() < 1e-6
    encoder.close()
    assert len(server.seen) == 3
    # Half of the first wait, and half of twice that.
    assert clock.waits == [0.25, 0.5]


@pytest.mark.parametrize("fault", [cut, hung_up])
def test_a_connection_that_breaks_is_tried_again(server, clock, fault):
    server.script = [fault]
    encoder = bounded(entry(server), pace=clock.pace())
    assert len(encoder.encode(TEXTS, "query")) == 3
    encoder.close()
    assert len(server.seen) == 2


def test_after_the_last_try_the_fault_is_told(server, clock):
    server.script = [refuse(500, {"error": {"message": "The model is\n overloaded."}})] * 3
    encoder = bounded(entry(server), pace=clock.pace(), tries=3)
    with pytest.raises(VendorUnavailable) as caught:
        encoder.encode(TEXTS, "query")
    encoder.close()
    assert caught.value.message == (
        f"model-1 at {server.origin}/openai/v1 gave no vectors for texts 0 to 2 after "
        "3 tries: status 500: The model is overloaded."
    )
    assert "tries and timeout_s" in caught.value.remedy
    assert len(server.seen) == 3


def test_waits_grow_and_are_drawn_by_chance(server):
    for chance, waits in [(0.0, [0, 0, 0]), (1.0, [0.5, 1, 2])]:
        clock = Clock(chance=lambda chance=chance: chance)
        server.script = [refuse(503)] * 3
        encoder = bounded(entry(server), pace=clock.pace())
        encoder.encode(TEXTS, "query")
        encoder.close()
        assert clock.waits == waits


def test_a_server_that_is_not_there_is_told(server, clock):
    row = entry(server)
    encoder = bounded(row, pace=clock.pace(), tries=2, base_url="http://127.0.0.1:9/v1")
    with pytest.raises(
        VendorUnavailable, match=r"127\.0\.0\.1:9/v1 gave .* after 2 tries: Connect"
    ):
        encoder.encode(TEXTS, "query")
    encoder.close()


# Retry-After


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"Retry_After": "7"}, [7.25]),
        ({"Retry_After": "0.5"}, [0.75]),
        (
            {
                "Retry_After": "Wed, 21 Oct 2026 07:28:09 GMT",
                "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            [9.25],
        ),
        ({"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}, [0.25]),
        ({"Retry_After": "-3"}, [0.25]),
        ({"Retry_After": "soon"}, [0.25]),
        ({"Retry_After": "nan"}, [0.25]),
        ({"Retry_After": "inf"}, [0.25]),
    ],
)
def test_the_vendor_says_how_long_to_wait(server, clock, headers, waits):
    server.script = [refuse(429, **headers)]
    encoder = bounded(entry(server), pace=clock.pace())
    assert len(encoder.encode(TEXTS, "query")) == 3
    encoder.close()
    assert clock.waits == waits


def test_a_wait_beyond_the_deadline_is_not_begun(server, clock):
    server.script = [refuse(429, Retry_After="3600")]
    encoder = bounded(entry(server), pace=clock.pace())
    with pytest.raises(VendorUnavailable, match=r"after 1 try: .*asks to wait 3600 s"):
        encoder.encode(TEXTS, "query")
    encoder.close()
    assert clock.waits == []
    assert len(server.seen) == 1


def test_waits_add_up_to_the_deadline(server, clock):
    server.script = [refuse(429, Retry_After="25")] * 5
    encoder = bounded(entry(server), pace=clock.pace(), timeout_s=60.0)
    with pytest.raises(VendorUnavailable, match="after 3 tries"):
        encoder.encode(TEXTS, "query")
    encoder.close()
    assert clock.waits == [25.25, 25.5]


# Time limits: these wait for real, so the limits are short.


@pytest.mark.parametrize("fault", [silent, dripping, dripping_head])
def test_a_slow_answer_is_given_up_and_asked_for_again(server, clock, fault):
    server.script = [fault]
    # The first try has half a second left, and the second all the time that a busy machine needs.
    moments = iter([0.0, 59.5])
    pace = replace(clock.pace(), clock=lambda: next(moments, 0.0))
    encoder = bounded(entry(server), pace=pace, timeout_s=60.0)
    assert np.abs(encoder.encode(TEXTS, "query").rows - vectors_of(TEXTS)).max() < 1e-6
    encoder.close()
    assert len(server.seen) == 2


def test_a_server_that_never_answers_ends_at_the_deadline(server):
    server.script = [silent] * 9
    encoder = bounded(entry(server), timeout_s=0.6)
    begun = time.monotonic()
    with pytest.raises(VendorUnavailable, match=r"no answer within 0\.\d+ s"):
        encoder.encode(TEXTS, "query")
    # Far below the 30 s that the server would take.
    assert time.monotonic() - begun < 10
    encoder.close()


# What is never tried again


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (400, "manual"),
        (401, "Check VENDOR_KEY."),
        (403, "account of VENDOR_KEY"),
        (404, "base_url and model"),
        (413, "texts_per_request"),
        (422, "manual"),
    ],
)
def test_a_refusal_is_told_at_once(server, clock, status, remedy):
    server.script = [refuse(status, {"detail": "We would rather not."})]
    encoder = bounded(entry(server), pace=clock.pace())
    with pytest.raises(VendorRefused, match=f"answers {status} to texts 0 to 2") as caught:
        encoder.encode(TEXTS, "query")
    encoder.close()
    assert remedy in caught.value.remedy
    assert ("rather not" in caught.value.message) == (status != 401)
    assert len(server.seen) == 1
    assert not clock.waits


def test_a_path_that_is_not_there_names_the_address(server, clock):
    encoder = bounded(entry(server), pace=clock.pace(), base_url=f"{server.origin}/openai", tries=1)
    with pytest.raises(VendorRefused, match=r"model-1 at http://.*/openai answers 404"):
        encoder.encode(TEXTS, "query")
    encoder.close()


def test_an_empty_account_is_not_asked_again(server, clock):
    body = {"error": {"message": "You exceeded your quota.", "code": "insufficient_quota"}}
    server.script = [refuse(429, body)]
    encoder = bounded(entry(server), pace=clock.pace())
    with pytest.raises(VendorRefused, match="quota") as caught:
        encoder.encode(TEXTS, "query")
    encoder.close()
    assert "billing" in caught.value.remedy
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server, clock, status):
    with FaultServer() as elsewhere:
        target = f"{elsewhere.origin}/openai/v1/embeddings"
        server.script = [refuse(status, Location=target)]
        encoder = bounded(entry(server), pace=clock.pace())
        with pytest.raises(VendorRefused, match=f"{status}, a redirect"):
            encoder.encode(TEXTS, "query")
        encoder.close()
        assert not elsewhere.seen


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "x", "code": "context_length_exceeded"}}),
        (
            400,
            {
                "error": {
                    "message": "This model's maximum context length is 8192 tokens, however you "
                    "requested 9000 tokens."
                }
            },
        ),
        (
            400,
            {"error": {"message": "Invalid 'input[0]': maximum input length is 8192 tokens."}},
        ),
        (
            400,
            {
                "detail": "Request to model 'voyage-4' failed. The example at index 0 in your "
                "batch has too many tokens and does not fit into the model's context window."
            },
        ),
        (413, {"error": "Input validation error: `inputs` must have less than 512 tokens."}),
    ],
)
def test_a_text_too_long_is_told_as_such(server, clock, status, body):
    server.script = [refuse(status, body)]
    encoder = bounded(entry(server), pace=clock.pace())
    with pytest.raises(TextTooLong, match="one of texts 0 to 2 as too long") as caught:
        encoder.encode(TEXTS, "query")
    assert caught.value.remedy == "Send shorter chunks."
    server.script = [refuse(status, body)]
    with pytest.raises(TextTooLong, match="refuses text 0 as too long"):
        encoder.encode(TEXTS[:1], "query")
    encoder.close()


def test_a_batch_too_large_is_no_text_too_long(server, clock):
    said = "The max allowed tokens per submitted batch is 120000. Your batch has 124302 tokens."
    server.script = [refuse(400, {"detail": said})]
    encoder = bounded(entry(server, Vendor.VOYAGE), pace=clock.pace())
    with pytest.raises(VendorRefused, match="submitted batch"):
        encoder.encode(TEXTS, "query")
    encoder.close()


def test_a_refused_empty_text_is_pointed_at(server, clock):
    server.script = [refuse(400, {"error": {"message": "'$.input' is invalid."}})]
    encoder = bounded(entry(server), pace=clock.pace())
    with pytest.raises(VendorRefused) as caught:
        encoder.encode(["a", ""], "query")
    encoder.close()
    assert "One of the texts is empty" in caught.value.remedy


def test_a_long_complaint_is_shortened_and_a_page_is_not_quoted(server, clock):
    server.script = [refuse(400, {"message": "word " * 500})]
    encoder = bounded(entry(server), pace=clock.pace(), tries=1)
    with pytest.raises(VendorRefused) as caught:
        encoder.encode(TEXTS, "query")
    assert len(caught.value.message) < 500
    server.script = [lambda handler, _: handler.send(b"<html>oh</html>", 502, "text/html")]
    with pytest.raises(VendorUnavailable, match=r"status 502\."):
        encoder.encode(TEXTS, "query")
    encoder.close()


# Several requests of one call


def test_one_request_that_fails_ends_the_call_at_once(server):
    server.by_text = {"bad": refuse(401), "slow": silent, "busy": refuse(429, Retry_After="25")}
    encoder = bounded(entry(server), texts_per_request=1, requests_at_once=3)
    begun = time.monotonic()
    with pytest.raises(VendorRefused, match="answers 401 to text 2"):
        encoder.encode(["slow", "busy", "bad", *map(str, range(50))], "query")
    # Neither the silent request's 30 s nor the busy one's 25 s are waited for.
    assert time.monotonic() - begun < 10
    encoder.close()
    assert len(server.seen) < 50


def test_a_failure_names_the_callers_texts(server, clock):
    server.by_text = {"5": changed(lambda good: good | {"data": []})}
    encoder = bounded(entry(server), pace=clock.pace(), texts_per_request=4)
    with pytest.raises(VendorBroken, match="to texts 4 to 7 cannot be used"):
        encoder.encode(list(map(str, range(10))), "query")
    encoder.close()


def test_many_callers_at_once_get_their_own(server):
    encoder = bounded(entry(server), texts_per_request=2)
    failures: list[object] = []

    def call(number: int) -> None:
        texts = [f"{number}-{place}" for place in range(7)]
        rows = encoder.encode(texts, "query").rows
        if np.abs(rows - vectors_of(texts)).max() > 1e-6:
            failures.append(number)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    encoder.close()
    assert not failures
    # On a busy machine one may have been sent twice, or its texts one by one.
    own = [tuple(f"{n}-{place}" for place in range(at, min(at + 2, 7))) for n in range(8)
           for at in range(0, 7, 2)]  # fmt: skip
    assert set(own) <= {tuple(seen.body["input"]) for seen in server.seen}


def test_a_closed_encoder_says_so(server):
    encoder = bounded(entry(server))
    encoder.encode(TEXTS, "query")
    encoder.close()
    encoder.close()
    with pytest.raises(EngineError, match=re.escape("The model was closed.")):
        encoder.encode(TEXTS, "query")
