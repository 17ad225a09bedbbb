"""Remote models do not make their callers wait, and stop when nobody does."""

from collections.abc import Iterator

import numpy as np
import pytest
from tests.encoders.fault_server import FaultServer, silent, vectors_of
from tests.encoders.remote_rows import KEY, bounded, entry
from tests.encoders.test_batches_serve_every_caller import until

from bindery.encoders.pending import Cancellation
from bindery.encoders.remote import load_remote
from bindery.encoders.request import EncodeRequest
from bindery.errors import Abandoned, DeadlineExceeded, InvalidValue
from bindery.models.endpoint import Vendor
from bindery.types import Truncate

ASKED = EncodeRequest(["one", "two"])


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


def test_nothing_is_waited_for_until_the_result_is(server: FaultServer) -> None:
    encoder = load_remote(entry(server), KEY)
    server.script.append(silent)

    pending = encoder.submit(ASKED)

    until(lambda: server.seen)
    assert not pending.is_done
    assert (encoder.fault, encoder.figures()) == (None, None)
    again = encoder.submit(ASKED).result()
    assert np.abs(again.embeddings.rows - vectors_of(ASKED.texts)).max() < 1e-6
    encoder.close()


def test_who_leaves_is_told_at_once(server: FaultServer) -> None:
    encoder = bounded(entry(server), texts_per_request=1, requests_at_once=1)
    server.script.append(silent)
    cancellation = Cancellation()
    pending = encoder.submit(ASKED, cancellation)

    cancellation.cancel()

    with pytest.raises(Abandoned):  # although the vendor has not answered
        pending.result()
    encoder.close()
    assert len(server.seen) <= 1, "the other batch is not asked for"


def test_a_request_that_is_over_is_not_sent(server: FaultServer) -> None:
    encoder = load_remote(entry(server), KEY)
    left = Cancellation()
    left.cancel()

    with pytest.raises(Abandoned):
        encoder.submit(ASKED, left)
    with pytest.raises(DeadlineExceeded):
        encoder.submit(ASKED, Cancellation.within(0))
    encoder.close()
    assert not server.seen


@pytest.mark.parametrize("vendor", Vendor)
def test_nobody_there_cuts_the_start(server: FaultServer, vendor: Vendor) -> None:
    encoder = load_remote(entry(server, vendor), KEY)

    with pytest.raises(InvalidValue, match="remote") as caught:
        encoder.encode(["one"], "document", truncate=Truncate.START)
    assert caught.value.param == "truncate"
    assert not server.seen
    for truncate in (Truncate.END, Truncate.ERROR):
        assert len(encoder.encode(["one"], "document", truncate=truncate)) == 1
    encoder.close()
