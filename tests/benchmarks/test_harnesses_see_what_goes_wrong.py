"""A benchmark that cannot fail proves nothing: each check meets the fault that it is there for."""

import json
import math
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from stub_server import answer, breaks_off, busy, hangs_up, stalls_once, stub, well

from under_load import drain, faults, generated, load, overload, slow_clients, soak
from under_load.http1 import BrokenAnswer, Reader, embeddings, get
from under_load.load import Sample
from under_load.verdicts import at_least, at_most

QUERY = embeddings(["hello"])


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=4), st.integers(1, 30))
def test_answers_are_cut_out_however_they_arrive(bodies: list[bytes], piece: int) -> None:
    for body in bodies:
        reader, sent = Reader(), answer(200, body, "Retry-After: 1")
        pieces = [sent[start : start + piece] for start in range(0, len(sent), piece)]
        found = [reader.feed(one) for one in pieces]
        assert found[:-1] == [None] * (len(pieces) - 1)
        assert found[-1] is not None
        assert found[-1].body == body
        assert found[-1].says_when_to_retry
        assert not reader.is_within_an_answer


def test_an_answer_without_a_length_is_an_error() -> None:
    with pytest.raises(BrokenAnswer):
        Reader().feed(b"HTTP/1.1 200 OK\r\n\r\nhello")


@pytest.mark.parametrize("value", [math.nan, math.inf, 2.0])
def test_what_is_not_known_or_too_much_does_not_hold(value: float) -> None:
    assert not at_most("milliseconds", value, 1.0).holds
    assert not at_least("share", -value, 1.0).holds


def test_a_fault_is_found_only_by_what_it_makes_worse() -> None:
    within, beyond, far = (at_most("MB/h", value, 60.0) for value in (10.0, 100.0, 900.0))
    assert far.shows(within)
    assert far.shows(beyond)
    assert not beyond.shows(beyond)
    assert not within.shows(within)
    assert not at_most("milliseconds", math.nan, 1.0).shows(at_most("milliseconds", 2.0, 1.0))
    assert at_least("count", 0, 1).shows(at_least("count", 3, 1))


def test_latency_counts_from_when_a_request_was_due() -> None:
    """One answer is late by 0.3 s, and so are all that were due meanwhile."""
    with stub(stalls_once) as port:
        samples = load.probe(port, QUERY, rate_per_s=100, seconds=0.5)
    assert len(samples) == 50
    # The request of 0.01 s could only be sent at 0.3 s, that of 0.02 s as well, and so on.
    for number, sample in enumerate(samples[:30]):
        assert sample.latency_s >= 0.3 - number / 100 - 0.001


def test_open_loops_do_not_wait_for_answers() -> None:
    with stub(stalls_once) as port:
        samples = load.open_loop(
            port, [QUERY], rate_per_s=100, seconds=0.5, start_at=time.perf_counter()
        )
    assert {sample.status for sample in samples} == {200}
    late = [sample for sample in samples if sample.latency_s >= 0.3]
    assert 1 <= len(late) < len(samples)


@pytest.mark.parametrize("fault", [hangs_up, breaks_off])
def test_a_cut_connection_is_no_answer(fault) -> None:
    with stub(fault) as port:
        closed = load.probe(port, QUERY, rate_per_s=100, seconds=0.1)
        opened = load.open_loop(
            port, [QUERY], rate_per_s=100, seconds=0.1, start_at=time.perf_counter()
        )
    assert {sample.status for sample in [*closed, *opened]} == {0}
    assert all(sample.error for sample in [*closed, *opened])


def test_refusals_are_told_from_answers() -> None:
    with stub(busy) as port:
        samples = load.probe(port, QUERY, rate_per_s=100, seconds=0.05)
        with pytest.raises(SystemExit, match="503"):
            load.ask_in_turn(port, [QUERY])
    assert all(sample.status == 503 and sample.says_when_to_retry for sample in samples)


@pytest.mark.parametrize(("fault", "how"), [(hangs_up, "before"), (breaks_off, "within")])
def test_requests_that_a_server_drops_are_lost(fault, how: str) -> None:
    with stub(fault, most_requests=30) as port:
        seen = drain.ask_until_refused(port, [QUERY], 4)
    assert not seen.answered
    assert any(f"closed {how} an answer" in why for _, why in seen.lost)
    assert seen.refused_at < math.inf


def test_requests_that_are_answered_are_not_lost() -> None:
    def asks_to_close(connection, number: int) -> bool:
        connection.sendall(answer(200, b"{}", "Connection: close"))
        return False

    with stub(asks_to_close) as port:
        connections = load.keep_asking(port, [QUERY], 2, seconds=0.2)
    assert connections
    assert {sample.status for sample in connections} == {200}


def test_connections_that_stay_open_are_told_from_those_that_are_closed(monkeypatch) -> None:
    monkeypatch.setattr(slow_clients, "GIVE_UP_S", 1.5)
    monkeypatch.setattr(slow_clients, "OPENING_S", 0.1)

    def closes_bodies(_connection, _number: int) -> bool:
        return False

    with stub(closes_bodies) as port:
        held = slow_clients.hold(port, 6, time.perf_counter())
    assert all(seconds < 1.5 for seconds in held["slow_body"])
    assert held["nothing"] == [math.inf, math.inf]


def test_memory_that_grows_has_a_slope() -> None:
    steady = [(float(at), 300.0 + at % 2, 20, 10) for at in range(100)]
    growing = [(at, mb + at / 36, files, threads) for at, mb, files, threads in steady]
    assert abs(soak._slope_mb_per_h(steady)[0]) < 10
    slope, error = soak._slope_mb_per_h(growing)
    assert slope == pytest.approx(100, abs=10)
    assert error < 10


def test_normal_again_means_as_fast_as_before_and_for_a_while() -> None:
    def samples(first: float, latencies: list[float]) -> list[Sample]:
        dues = [first + number / 10 for number in range(len(latencies))]
        return [
            Sample(due, due + latency, 200) for due, latency in zip(dues, latencies, strict=True)
        ]

    idle = samples(0.0, [0.004] * 50)
    slow, fast = [0.1] * 30, [0.005] * 30
    found = overload._probe_figures(idle, samples(10.0, slow + fast), 10.0)
    # Five of the ten may still be slow: it is their median that counts.
    assert found["normal_again_s"] == pytest.approx(2.6, abs=0.11)
    assert overload._probe_figures(idle, samples(10.0, slow), 10.0)["normal_again_s"] == math.inf


def test_reports_of_generated_requests_are_read_whole(tmp_path: Path) -> None:
    def interaction(status: int | None) -> dict:
        response = None if status is None else {"status_code": status}
        return {"request": {"method": "GET", "uri": "/x", "body": None}, "response": response}

    recorder = {
        "label": "GET /x",
        "interactions": {
            str(n): interaction(s) for n, s in enumerate((200, 503, 507, 500, 502, None))
        },
    }
    report = tmp_path / "report.ndjson"
    events = [{"Initialize": {}}, {"ScenarioFinished": {"recorder": recorder}}]
    report.write_text("\n".join(map(json.dumps, events)))
    found = list(generated.read_report(report))
    assert len(found) == 6
    failed = [one["status"] for one in found if generated._is_fault(one["status"])]
    assert failed == ["500", "502", "no answer"]


@pytest.mark.parametrize("name", faults.FAULTS)
def test_every_fault_is_to_be_found_by_a_verdict_that_there_is(name: str) -> None:
    fault = faults.FAULTS[name]
    files = {"slow": "slow_clients"}
    source = Path(load.__file__).with_name(f"{files.get(fault.section, fault.section)}.py")
    text = source.read_text()
    assert f'"{fault.found_by}' in text or f'f"{fault.found_by}' in text


def test_a_server_that_answers_well_is_seen_so() -> None:
    with stub(well) as port:
        seconds, bodies = load.ask_all(port, [QUERY, get("/ready")] * 10, 4)
    assert bodies == [b"{}"] * 20
    assert seconds > 0
