"""The server of a remote model, and how to send requests to it."""

import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from bindery.errors import InvalidValue

# Capitals only, so that a key pasted instead of the variable's name is refused.
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")

REQUESTS_AT_ONCE = 4
TRIES = 5
TIMEOUT_S = 60.0

Scalar: TypeAlias = str | int | float | bool
"""The type of a field in a request."""


class Vendor(StrEnum):
    """The vendor whose API a server has."""

    OPENAI = "openai"
    COHERE = "cohere"
    VOYAGE = "voyage"


class EncodingFormat(StrEnum):
    """The encoding of vectors by an OpenAI-compatible server: base64 float32, or lists."""

    BASE64 = "base64"
    FLOAT = "float"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A vendor's server, the model to request, and the limits of requests.

    ``key`` is the name of the environment variable with the API key, never the key itself; empty
    for a server that needs none. Keys are only sent encrypted: with one, ``base_url`` must be
    https, or http to this machine. ``extra`` are additional fields of every request.

    Only for OpenAI-compatible servers: ``sends_role`` sends the role as ``input_type``, and
    ``encoding_format`` is the encoding to request.

    If ``texts_per_request`` or ``tokens_per_request`` is None, the vendor's limit applies. A call
    makes at most ``requests_at_once`` concurrent requests. Each has at most ``tries`` attempts, and
    ``timeout_s`` seconds for all of them together, including delays.
    """

    vendor: Vendor
    base_url: str
    model: str
    key: str = ""
    sends_role: bool = False
    encoding_format: EncodingFormat = EncodingFormat.BASE64
    extra: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    texts_per_request: int | None = None
    tokens_per_request: int | None = None
    requests_at_once: int = REQUESTS_AT_ONCE
    tries: int = TRIES
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        url = _checked_url(self.base_url)
        object.__setattr__(self, "base_url", self.base_url.rstrip("/"))
        if not self.model.strip():
            raise InvalidValue(f"The row for {self.base_url} has an empty model.", param="model")
        if self.key and not _VARIABLE.fullmatch(self.key):
            # Do not show the value: it may be the key itself.
            raise InvalidValue(
                "key must be the name of an environment variable (A-Z, 0-9 and _).",
                remedy="Put the key into a variable such as OPENAI_API_KEY and give its name.",
                param="key",
            )
        if self.key and url.scheme == "http" and not self.is_local:
            raise InvalidValue(
                f"{self.base_url} would send the API key of {self.key} unencrypted.",
                remedy="Use https. http is for this machine, or for servers without a key.",
                param="base_url",
            )
        self._check_bounds()
        self._check_dialect()

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return is_loopback(urlsplit(self.base_url).hostname or "")

    def _check_bounds(self) -> None:
        for name in ("texts_per_request", "tokens_per_request", "requests_at_once", "tries"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidValue(f"{name} must be at least 1, got {value}.", param=name)
        if not 0 < self.timeout_s < math.inf:
            raise InvalidValue(
                f"timeout_s must be a number of seconds above 0, got {self.timeout_s}.",
                param="timeout_s",
            )

    def _check_dialect(self) -> None:
        if self.vendor is Vendor.OPENAI:
            return
        if self.sends_role:
            raise InvalidValue(
                f"sends_role is not for {self.vendor}, which always gets the role.",
                remedy="Leave sends_role out.",
                param="sends_role",
            )
        if self.encoding_format is not EncodingFormat.BASE64:
            raise InvalidValue(
                f"encoding_format is only for OpenAI-compatible servers, not for {self.vendor}.",
                remedy="Leave it out.",
                param="encoding_format",
            )


def _checked_url(base_url: str) -> SplitResult:
    try:
        url = urlsplit(base_url)
        _ = url.port
    except ValueError:
        url = urlsplit("")
    # Do not show the address: it may contain a password.
    within = url.username is None and not url.query and not url.fragment
    if url.scheme not in {"http", "https"} or not url.hostname or not within:
        raise InvalidValue(
            "base_url must be an http or https URL without user, password, query or fragment.",
            param="base_url",
        )
    return url


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
