"""A key goes to its own vendor, over a safe line, and into no message, log or traceback."""

import logging
import pickle
import traceback
from dataclasses import replace

import pytest
from tests.encoders.fault_server import (
    changed,
    cut,
    echo_key,
    hung_up,
    raw,
    refuse,
    silent,
)
from tests.encoders.remote_rows import Clock, entry

from bindery.encoders.remote import load_remote
from bindery.errors import BinderyError, InvalidValue, KeyMissing
from bindery.models.endpoint import Endpoint, Vendor
from bindery.secret import Secret

VALUE = "sk-test-Zq7Kx92mWvB4hT"
KEY = Secret(VALUE, name="VENDOR_KEY")
# Any piece this long, in a message, would be a part of the key.
PIECES = [VALUE[at : at + 6] for at in range(len(VALUE) - 5)]


def _shows(text: str) -> list[str]:
    return [piece for piece in PIECES if piece in text]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 503])
@pytest.mark.parametrize("vendor", Vendor)
def test_a_vendor_that_echoes_the_key_is_not_quoted_with_it(server, caplog, vendor, status):
    caplog.set_level(logging.DEBUG)
    server.clear()
    server.script = [echo_key(status)] * 2
    row = entry(server, vendor)
    row = replace(row, endpoint=replace(row.endpoint, tries=2))
    encoder = load_remote(row, KEY, pace=Clock().pace())
    with pytest.raises(BinderyError) as caught:
        encoder.encode(["a"], "query")
    encoder.close()
    told = "".join(traceback.format_exception(caught.value))
    assert server.seen[0].headers["authorization"] == f"Bearer {VALUE}"
    assert not _shows(told + caught.value.message + caught.value.remedy + repr(caught.value))
    assert not _shows(caplog.text)
    assert VALUE[-4:] not in caught.value.message


@pytest.mark.parametrize(
    "fault", [cut, hung_up, silent, raw(b"<html>"), changed(lambda good: {}), refuse(302)]
)
def test_no_fault_shows_the_key(server, caplog, fault):
    caplog.set_level(logging.DEBUG)
    server.clear()
    server.script = [fault] * 2
    row = entry(server)
    row = replace(row, endpoint=replace(row.endpoint, tries=2, timeout_s=0.4))
    encoder = load_remote(row, KEY, pace=Clock().pace())
    with pytest.raises(BinderyError) as caught:
        encoder.encode(["a"], "query")
    encoder.close()
    error: BaseException | None = caught.value
    while error is not None:
        assert not _shows(repr(error) + str(error))
        error = error.__cause__ or error.__context__
    assert not _shows("".join(traceback.format_exception(caught.value)) + caplog.text)


def test_nothing_that_is_printed_holds_the_key(server):
    row = entry(server)
    encoder = load_remote(row, KEY)
    for thing in (encoder, encoder.card, row, KEY, vars(encoder), *vars(encoder).values()):
        assert not _shows(repr(thing) + str(thing))
    assert not _shows(repr([vars(thing) for thing in (encoder._client, encoder._client._http)]))
    with pytest.raises(TypeError, match="VENDOR_KEY"):
        pickle.dumps(KEY)
    encoder.close()


def test_a_row_that_names_a_variable_needs_its_value(server):
    with pytest.raises(KeyMissing, match="'far' needs a key for") as caught:
        load_remote(entry(server))
    assert caught.value.remedy == "Set VENDOR_KEY."


def test_a_short_key_is_hidden_whole(server):
    server.clear()
    server.script = [refuse(400, {"message": "The key 'abc' is bad, as abc is."})]
    row = entry(server)
    encoder = load_remote(row, Secret("abc", name="VENDOR_KEY"))
    with pytest.raises(
        BinderyError, match=r"The key \[hidden\] is bad, as \[hidden\] is"
    ) as caught:
        encoder.encode(["a"], "query")
    encoder.close()
    assert "abc" not in caught.value.message


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.example.com/v1",
        "http://10.0.0.5:8000/v1",
        "http://localhost.example.com/v1",
        "http://127.0.0.1.example.com/v1",
        "http://[2001:db8::1]/v1",
    ],
)
def test_a_key_never_travels_in_the_clear(base_url):
    with pytest.raises(InvalidValue, match="unencrypted") as caught:
        Endpoint(Vendor.OPENAI, base_url, "m", key="VENDOR_KEY")
    assert caught.value.param == "base_url"
    Endpoint(Vendor.OPENAI, base_url, "m")
    Endpoint(Vendor.OPENAI, base_url.replace("http:", "https:"), "m", key="VENDOR_KEY")


@pytest.mark.parametrize(
    "base_url",
    ["http://127.0.0.1:1/v1", "http://127.8.9.10/v1", "http://localhost:1", "http://[::1]:1/v1"],
)
def test_this_machine_may_be_asked_in_the_clear(base_url):
    assert Endpoint(Vendor.OPENAI, base_url, "m", key="VENDOR_KEY").is_local


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.example.com",
        "ftp://example.com",
        "https://",
        "https://me:secret-word@example.com/v1",
        "https://example.com/v1?api_key=secret-word",
        "https://example.com/v1#secret-word",
        "https://example.com:port/v1",
        "https://[::1/v1",
    ],
)
def test_an_address_that_could_hold_a_secret_is_refused_unseen(base_url):
    with pytest.raises(InvalidValue, match="base_url must be an http or https URL") as caught:
        Endpoint(Vendor.OPENAI, base_url, "m")
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("key", [VALUE, "pa-abc", "lower", "Mixed0Case", " TWO_WORDS", "1KEY"])
def test_a_key_in_place_of_its_variables_name_is_refused_unseen(key):
    with pytest.raises(InvalidValue, match="must be the name of an environment variable") as caught:
        Endpoint(Vendor.OPENAI, "https://api.example.com/v1", "m", key=key)
    assert caught.value.param == "key"
    assert key not in str(caught.value)
