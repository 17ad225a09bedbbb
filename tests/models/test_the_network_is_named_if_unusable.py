"""Proxies and certificates of the environment: unusable ones are named, tokens stay secret."""

from types import SimpleNamespace

import pytest
from tests.encoders.remote_rows import KEY, entry

from bindery.encoders.remote import load_remote
from bindery.errors import VendorUnavailable
from bindery.models.catalog import CATALOG
from bindery.models.hub import HubSource
from bindery.models.network import UnusableNetwork, open_client
from bindery.models.sources import SourceUnreached

ELSEWHERE = "https://hub.example"
UNUSABLE = [
    ("ALL_PROXY", "socks://127.0.0.1:1"),
    ("all_proxy", "ftp://127.0.0.1:1"),
    ("HTTPS_PROXY", "http://[::1]:port"),
    ("https_proxy", "127.0.0.1:80:80"),
    ("HTTP_PROXY", "http://"),
    ("SSL_CERT_FILE", "/nowhere/authorities.pem"),
]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)


@pytest.mark.parametrize(("variable", "value"), UNUSABLE)
def test_an_unusable_variable_is_named(monkeypatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UnusableNetwork, match=variable) as caught:
        open_client(ELSEWHERE)
    assert variable in caught.value.remedy
    with pytest.raises(SourceUnreached, match=variable):
        next(HubSource(ELSEWHERE).files(CATALOG["vanilla"], None))


def test_an_unusable_proxy_refuses_a_remote_row_alone(monkeypatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1")
    with pytest.raises(VendorUnavailable, match="ALL_PROXY"):
        load_remote(entry(SimpleNamespace(origin="https://vendor.example")), KEY)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.8.8"])
def test_this_machine_is_never_asked_through_a_proxy(monkeypatch, host: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1")
    with open_client(f"http://{host}:9", secret="HF_TOKEN") as client:
        assert not client._mounts


def test_a_token_is_never_sent_to_a_proxy_in_clear(monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:8080")
    with pytest.raises(UnusableNetwork, match="HF_TOKEN would be sent in clear"):
        open_client("http://mirror.example", secret="HF_TOKEN")
    open_client("http://mirror.example").close()
    open_client(ELSEWHERE, secret="HF_TOKEN").close()
    monkeypatch.setenv("NO_PROXY", "mirror.example")
    open_client("http://mirror.example", secret="HF_TOKEN").close()


def test_a_password_of_a_proxy_is_not_shown(monkeypatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://user:hunter2@127.0.0.1:1")
    with pytest.raises(UnusableNetwork) as caught:
        open_client(ELSEWHERE)
    assert "hunter2" not in f"{caught.value} {caught.value.remedy}"
