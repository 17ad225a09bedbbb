"""Whatever a hub does, the error names the file or the cause, and the token never shows."""

import copy
import logging
import pickle
import socket
import traceback

import pytest
from tests.models.conftest import FILES

from bindery.errors import InvalidValue, ModelBroken, ModelGated, SourceError
from bindery.models.cache import locate
from bindery.models.hub import HubSource
from bindery.models.preload import State, preload
from bindery.secret import Secret

CANARY = "hf_cAnArYq7xZ9kVb3TmW8sLdPfGj"

# By fault: the error's class, and what its message says beside the file's name.
FAULTS = {
    "truncated": (SourceError, "broke off after"),
    "cut": (ModelBroken, "is altered"),
    "flipped": (ModelBroken, "is altered"),
    "empty": (ModelBroken, "is empty"),
    "page": (SourceError, "received a web page instead of the file"),
    "silent": (SourceError, "did not answer"),
    "stalled": (SourceError, "did not answer in time"),
    "circling": (SourceError, "more than 5 redirects"),
    "401": (SourceError, "the hub answered 401"),
    "403": (SourceError, "the hub answered 403"),
    "404": (SourceError, "the hub answered 404"),
    "410": (SourceError, "the hub answered 410"),
    "429": (SourceError, "the hub answered 429 (too many requests)"),
    "500": (SourceError, "the hub answered 500"),
    "503": (SourceError, "the hub answered 503"),
}


def _patience_s(fault: str) -> float:
    """A short wait where one is sure to end by time, and else one for a busy machine."""
    return 0.5 if fault in {"silent", "stalled"} else 60.0


def _assert_nothing_is_left(root):
    assert list(root.glob("models/*")) == []
    assert list(root.glob("staging/*")) == []
    assert not (root / "models.lock.json").exists()


def _windows(secret: str) -> list[str]:
    return [secret[start : start + 6] for start in range(len(secret) - 5)]


@pytest.fixture
def no_leak(caplog, capfd):
    """Collects what a failure shows, and at the end looks for any part of the canary in it."""
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []

    def show(*things: object) -> None:
        for thing in things:
            shown.extend((str(thing), repr(thing), f"{thing}"))
            if isinstance(thing, BaseException):
                shown.append("".join(traceback.format_exception(thing)))
                detailed = traceback.TracebackException.from_exception(thing, capture_locals=True)
                shown.append("".join(detailed.format()))
                shown.append(repr(pickle.dumps(thing)))

    yield show
    captured = capfd.readouterr()
    text = "\n".join([*shown, caplog.text, captured.out, captured.err])
    assert [window for window in _windows(CANARY) if window in text] == []


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_of_every_file_is_named_and_leaves_nothing(
    tmp_path, made_up, hub, no_leak, fault, path
):
    if fault == "404" and path == "special_tokens_map.json":
        pytest.skip("It is optional: see below.")
    hub.faults[path] = fault
    source = HubSource(hub.endpoint, Secret(CANARY), timeout_s=_patience_s(fault))
    (outcome,) = preload([made_up.entry(pinned=True)], tmp_path, [source])

    kind, verdict = FAULTS[fault]
    assert type(outcome.error) is kind
    assert path in outcome.error.message
    assert verdict in outcome.error.message
    assert outcome.error.remedy
    no_leak(outcome, outcome.error, source)
    assert all(token == f"Bearer {CANARY}" for _, token in hub.requests)
    _assert_nothing_is_left(tmp_path)


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_fault_the_next_preload_succeeds(tmp_path, made_up, hub, fault):
    hub.faults["tokenizer.json"] = fault
    source = HubSource(hub.endpoint, timeout_s=_patience_s(fault))
    assert preload([made_up.entry(pinned=True)], tmp_path, [source])[0].state is State.FAILED
    hub.faults.clear()
    source = HubSource(hub.endpoint)
    assert preload([made_up.entry(pinned=True)], tmp_path, [source])[0].state is State.FETCHED
    assert locate(made_up.entry(pinned=True), tmp_path)


@pytest.mark.parametrize("fault", ["cut", "empty", "page"])
@pytest.mark.parametrize("path", FILES)
def test_also_files_of_unknown_digest_must_be_sound(tmp_path, made_up, hub, fault, path):
    hub.faults[path] = fault
    (outcome,) = preload([made_up.entry()], tmp_path, [HubSource(hub.endpoint)])
    assert path in str(outcome.error)
    _assert_nothing_is_left(tmp_path)


def test_a_healthy_hub_gives_the_files_in_order_and_small_ones_first(tmp_path, made_up, hub):
    (outcome,) = preload([made_up.entry()], tmp_path, [HubSource(hub.endpoint + "/")])
    assert (outcome.state, outcome.source) == (State.FETCHED, f"hub {hub.endpoint}")
    assert hub.paths_asked_for() == list(made_up.contents)
    assert all(token is None for _, token in hub.requests)


def test_an_optional_file_that_the_hub_lacks_is_left_out(tmp_path, made_up, hub):
    hub.faults["special_tokens_map.json"] = "404"
    (outcome,) = preload([made_up.entry()], tmp_path, [HubSource(hub.endpoint)])
    assert outcome.state is State.FETCHED
    assert not (locate(made_up.entry(), tmp_path) / "special_tokens_map.json").exists()
    assert preload([made_up.entry()], tmp_path, [])[0].state is State.PRESENT


@pytest.mark.parametrize("status", ["401", "403"])
@pytest.mark.parametrize("token", [None, CANARY])
def test_a_gated_model_names_the_page_the_token_and_the_mirrors(
    tmp_path, made_up, hub, no_leak, status, token
):
    hub.faults["config.json"] = status
    source = HubSource(hub.endpoint, Secret(token) if token else None)
    entry = made_up.entry(gated=True)
    (outcome,) = preload([entry], tmp_path, [source])
    assert isinstance(outcome.error, ModelGated)
    assert f"the hub answered {status}" in outcome.error.message
    for part in (f"{hub.endpoint}/nobody/tiny", "HF_TOKEN", "somebody/tiny", "ccept the terms"):
        assert part in outcome.error.remedy
    # A mirror is named, never asked.
    assert not any("somebody" in path for path, _ in hub.requests)
    no_leak(outcome, outcome.error, source)
    _assert_nothing_is_left(tmp_path)


def test_a_gated_model_comes_with_a_token(tmp_path, made_up, hub):
    source = HubSource(hub.endpoint, Secret(CANARY))
    assert preload([made_up.entry(gated=True)], tmp_path, [source])[0].state is State.FETCHED


# Redirects.


def test_a_redirect_to_another_origin_does_not_carry_the_token(
    tmp_path, made_up, start_hub, no_leak
):
    hub, elsewhere = start_hub(), start_hub()
    hub.elsewhere = elsewhere.endpoint
    hub.faults = dict.fromkeys(made_up.contents, "moved")
    source = HubSource(hub.endpoint, Secret(CANARY))
    assert preload([made_up.entry()], tmp_path, [source])[0].state is State.FETCHED
    assert {token for _, token in hub.requests} == {f"Bearer {CANARY}"}
    assert len(elsewhere.requests) == len(made_up.contents)
    assert {token for _, token in elsewhere.requests} == {None}
    no_leak(source)


def test_nor_does_one_that_comes_back_from_there_by_another_name(tmp_path, made_up, hub):
    # The same server under another host name is another origin.
    hub.elsewhere = hub.endpoint.replace("127.0.0.1", "localhost")
    hub.faults["config.json"] = "moved"
    preload([made_up.entry()], tmp_path, [HubSource(hub.endpoint, Secret(CANARY))])
    tokens = [token for path, token in hub.requests if path.endswith("/config.json")]
    assert tokens[0] == f"Bearer {CANARY}"
    assert set(tokens[1:-1]) == {None}


def test_a_relative_redirect_is_followed_with_the_token(tmp_path, made_up, hub):
    hub.faults["tokenizer.json"] = "renamed"
    source = HubSource(hub.endpoint, Secret(CANARY))
    assert preload([made_up.entry()], tmp_path, [source])[0].state is State.FETCHED
    assert {token for _, token in hub.requests} == {f"Bearer {CANARY}"}


# A hub that is not there.


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_refused_connection_is_named(tmp_path, made_up, no_leak):
    source = HubSource(f"http://127.0.0.1:{_closed_port()}", Secret(CANARY))
    (outcome,) = preload([made_up.entry()], tmp_path, [source])
    assert isinstance(outcome.error, SourceError)
    assert "cannot be reached" in outcome.error.message
    assert "Check the network" in outcome.error.remedy
    no_leak(outcome, outcome.error)
    _assert_nothing_is_left(tmp_path)


@pytest.mark.parametrize("host", ["nowhere.invalid", f"{'x' * 64}.invalid"])
def test_a_name_that_cannot_be_looked_up_is_named(tmp_path, made_up, no_leak, host):
    source = HubSource(f"http://{host}", Secret(CANARY), timeout_s=2)
    (outcome,) = preload([made_up.entry()], tmp_path, [source])
    assert isinstance(outcome.error, SourceError)
    assert host in outcome.error.message
    no_leak(outcome, outcome.error)
    _assert_nothing_is_left(tmp_path)


def test_a_server_that_never_accepts_is_given_up_and_by_default_within_ten_seconds(
    tmp_path, made_up
):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        (outcome,) = preload([made_up.entry()], tmp_path, [HubSource(endpoint, timeout_s=0.3)])
        assert HubSource(endpoint).timeout_s < 10
    assert isinstance(outcome.error, SourceError)
    assert "did not answer" in outcome.error.message
    _assert_nothing_is_left(tmp_path)


def test_a_download_that_takes_for_ever_ends_at_its_deadline(tmp_path, made_up, hub):
    source = HubSource(hub.endpoint, deadline_s=0)
    (outcome,) = preload([made_up.entry()], tmp_path, [source])
    assert "config.json: the download was too slow" in str(outcome.error)
    _assert_nothing_is_left(tmp_path)


# The token, and where it is sent.


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "hub.invalid",
        "ftp://hub.invalid",
        "http://",
        "http://user:pass@hub.invalid",
        f"https://{CANARY}@hub.invalid",
        f"https://hub.invalid?token={CANARY}",
        "http://hub.invalid:port",
    ],
)
def test_an_endpoint_that_is_no_plain_address_is_refused_and_not_quoted(endpoint, no_leak):
    with pytest.raises(InvalidValue) as caught:
        HubSource(endpoint)
    assert caught.value.param == "endpoint"
    no_leak(str(caught.value), "".join(traceback.format_exception(caught.value)))


@pytest.mark.parametrize("value", ["", "  ", "a b", f"{CANARY}\r\nX: y", f"{CANARY}é", "\x00"])
def test_a_secret_that_cannot_be_sent_is_refused_and_not_quoted(value, no_leak):
    with pytest.raises(InvalidValue, match="HF_TOKEN") as caught:
        Secret(value, name="HF_TOKEN")
    shown = str(caught.value)
    assert all(window not in shown for window in _windows(CANARY))


def test_a_secret_shows_itself_to_nobody_but_who_asks(no_leak):
    secret = Secret(f" {CANARY}\n", name="HF_TOKEN")
    no_leak(secret, [secret], {"token": secret})
    assert f"{secret} {secret!s} {secret!r}" == " ".join(["Secret(HF_TOKEN, hidden)"] * 3)
    assert secret.reveal() == CANARY
    assert secret == Secret(CANARY)
    assert secret != Secret(CANARY[:-1])
    assert hash(secret) == hash(Secret(CANARY))
    for spread in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError) as caught:
            spread(secret)
        no_leak(caught.value.args)
