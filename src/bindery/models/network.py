"""HTTP clients that obey the proxies and certificates of the environment, and say if they cannot.

A server on this machine is never asked through a proxy, and no token is sent through one that
could read it: over https a proxy only sees the host.
"""

import os
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpx2

from bindery.models.endpoint import is_loopback

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_SCHEMES = ("http", "https", "socks5", "socks5h")


class UnusableNetwork(ValueError):
    """The environment names a proxy or certificates that cannot be used.

    ``remedy`` says what to do.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def open_client(url: str, *, secret: str = "", **options: Any) -> httpx2.Client:  # noqa: ANN401
    """A client for the server at ``url``; ``secret`` names the token that it will send, if any.

    ``options`` are those of httpx2. Raises UnusableNetwork.
    """
    parsed = httpx2.URL(url)
    if is_loopback(parsed.host):
        return httpx2.Client(trust_env=False, verify=_trusted(), **options)
    proxies = _proxies()
    for variable, value in proxies.items():
        _check_proxy(variable, value)
    variable = _variable_for(parsed, proxies)
    if secret and variable and parsed.scheme == "http":
        raise UnusableNetwork(
            f"{secret} would be sent in clear to the proxy in {variable}, because "
            f"{parsed.host} is used over http.",
            f"Use https, add {parsed.host} to NO_PROXY, or remove {secret}.",
        )
    return httpx2.Client(verify=_trusted(), **options)


@cache
def _context(*_files: str | None) -> ssl.SSLContext:
    # Reading the certificate authorities takes 30 ms.
    return httpx2.create_ssl_context()


def _trusted() -> ssl.SSLContext:
    given = {name: os.environ.get(name) for name in _CERTIFICATES}
    try:
        return _context(*given.values())
    except (OSError, ValueError) as error:
        named = " or ".join(name for name, value in given.items() if value)
        raise UnusableNetwork(
            f"The certificates in {named or 'the system'} cannot be read: {error}.",
            f"Correct {named}, or unset it." if named else "Reinstall the certificates.",
        ) from None


def _proxies() -> Mapping[str, str]:
    """The proxies by the names of their variables; those of the system have no variable."""
    names = {name.lower(): name for name in os.environ if name.lower().endswith("_proxy")}
    return {
        names.get(f"{scheme}_proxy", f"{scheme}_proxy"): value
        for scheme, value in getproxies().items()
        if scheme in {"http", "https", "all"} and value
    }


def _check_proxy(variable: str, value: str) -> None:
    try:
        url = httpx2.URL(value if "://" in value else f"http://{value}")
        if url.scheme in _SCHEMES and url.host:
            httpx2.Client(proxy=url, trust_env=False, verify=_trusted()).close()
            return
        reason = "it is not a URL with one of these schemes: " + ", ".join(_SCHEMES)
    except ImportError:
        reason = "socks needs the package socksio"
    except (httpx2.InvalidURL, ValueError) as error:
        if isinstance(error, UnusableNetwork):
            raise
        reason = "it is not a URL"
    # The value is not shown: it may hold a password.
    raise UnusableNetwork(
        f"The proxy in {variable} cannot be used: {reason}.",
        f"Correct {variable} (http://HOST:PORT), or unset it.",
    )


def _variable_for(url: httpx2.URL, proxies: Mapping[str, str]) -> str:
    """The variable of the proxy that requests to ``url`` go through, or ``""``."""
    if proxy_bypass(url.host):
        return ""
    by_scheme = {variable.lower(): variable for variable in proxies}
    return by_scheme.get(f"{url.scheme}_proxy") or by_scheme.get("all_proxy", "")
