"""Where a remote model is asked for its vectors, and how."""

import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from bindery.errors import InvalidValue

# Capitals only: a key that was pasted in place of its variable's name is then refused.
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")

REQUESTS_AT_ONCE = 4
TRIES = 5
TIMEOUT_S = 60.0

Scalar: TypeAlias = str | int | float | bool
"""What a field of a request may hold."""


class Vendor(StrEnum):
    """Whose way of asking a server understands."""

    OPENAI = "openai"
    COHERE = "cohere"
    VOYAGE = "voyage"


class EncodingFormat(StrEnum):
    """How an OpenAI-compatible server writes vectors: base64 of little-endian float32, or lists."""

    BASE64 = "base64"
    FLOAT = "float"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A vendor's server, the model to ask it for, and the bounds to keep while asking.

    ``key`` is the name of the environment variable that holds the key, never the key itself; empty
    for a server that needs none. A key never travels in the clear: with one, ``base_url`` is https,
    or http on this machine. ``extra`` are further fields of every request.

    For OpenAI-compatible servers alone: ``sends_role`` sends the role as ``input_type``, for those
    that understand it, and ``encoding_format`` is what they are asked for.

    ``texts_per_request`` and ``tokens_per_request`` None are the vendor's own limits. A call makes
    at most ``requests_at_once`` requests at the same time. Each has at most ``tries`` tries, and
    ``timeout_s`` seconds for all of them with the waits between.
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
            raise InvalidValue(f"{self.base_url} is asked for no model.", param="model")
        if self.key and not _VARIABLE.fullmatch(self.key):
            # The value is not shown: it may be the key itself.
            raise InvalidValue(
                "key is not the name of an environment variable (A-Z, 0-9 and _).",
                remedy="Put the key into a variable such as OPENAI_API_KEY and give its name.",
                param="key",
            )
        if self.key and url.scheme == "http" and not self.is_local:
            raise InvalidValue(
                f"{self.base_url} would send the key of {self.key} in the clear.",
                remedy="Use https; plain http is for this machine, or for servers without a key.",
                param="base_url",
            )
        self._check_bounds()
        self._check_dialect()

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        host = urlsplit(self.base_url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def _check_bounds(self) -> None:
        for name in ("texts_per_request", "tokens_per_request", "requests_at_once", "tries"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidValue(f"{name} is at least 1, not {value}.", param=name)
        if not 0 < self.timeout_s < math.inf:
            raise InvalidValue(
                f"timeout_s is a number of seconds above 0, not {self.timeout_s}.",
                param="timeout_s",
            )

    def _check_dialect(self) -> None:
        if self.vendor is Vendor.OPENAI:
            return
        if self.sends_role:
            raise InvalidValue(
                f"{self.vendor} is told the role without being asked to.",
                remedy="Leave sends_role out.",
                param="sends_role",
            )
        if self.encoding_format is not EncodingFormat.BASE64:
            raise InvalidValue(
                f"encoding_format is for OpenAI-compatible servers, not for {self.vendor}.",
                remedy="Leave it out.",
                param="encoding_format",
            )


def _checked_url(base_url: str) -> SplitResult:
    try:
        url = urlsplit(base_url)
        _ = url.port
    except ValueError:
        url = urlsplit("")
    # A password in the address would be shown in messages, so the address is not shown here.
    within = url.username is None and not url.query and not url.fragment
    if url.scheme not in {"http", "https"} or not url.hostname or not within:
        raise InvalidValue(
            "base_url is an http or https address without user, password, query or fragment.",
            param="base_url",
        )
    return url
