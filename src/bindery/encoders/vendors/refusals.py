"""A vendor's error answers as our errors, without ever showing the key."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

import orjson

from bindery.encoders.vendors.base import BadAnswer, VendorRequest, member
from bindery.errors import BinderyError, TextTooLong, VendorRefused
from bindery.models.endpoint import Endpoint
from bindery.secret import Secret

_LONGEST_QUOTE = 300
# A word that holds a piece of the key of this length is hidden. Shorter pieces occur in many words.
_PIECE = 6

# The path to the message in error bodies of OpenAI, Cohere, Voyage and others.
_SENTENCES = (("error", "message"), ("message",), ("detail",), ("error",))

# How they report a text that is too long: OpenAI by a code; OpenAI, Voyage,
# text-embeddings-inference and others in words.
_TOO_LONG_CODES = frozenset({"context_length_exceeded"})
_TOO_LONG = (
    "maximum context length",
    "maximum input length",
    "context window",
    "too many tokens",
    "must have less than",
    "too long",
)

# A 429 that does not pass.
_EXHAUSTED_CODES = frozenset({"insufficient_quota"})


@dataclass(frozen=True, slots=True)
class VendorResponse:
    """A status, headers by lower-case name, and a body."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Refusals:
    """Makes errors of the refusals of one vendor for one model."""

    endpoint: Endpoint
    key: Secret | None

    @property
    def who(self) -> str:
        """The model and its server, for messages."""
        return f"{self.endpoint.model} at {self.endpoint.base_url}"

    def refusal(self, answer: VendorResponse, request: VendorRequest) -> BinderyError:
        """The error for an answer that another try would not change."""
        status = answer.status
        sentence = _sentence(answer)
        if status in {400, 413, 422} and _says_too_long(answer, sentence):
            return TextTooLong(
                f"{self.who} refuses one of {request} as too long{self.quote(answer)}."
                if len(request.texts) > 1
                else f"{self.who} refuses {request} as too long{self.quote(answer)}.",
                remedy="Send shorter chunks.",
            )
        if 300 <= status < 400:
            return VendorRefused(
                f"{self.who} answers {status}, a redirect. It is not followed, because the "
                "key would be sent along.",
                remedy="Set base_url to the server's own address.",
            )
        remedy = self._remedies().get(status, "Check the model's row against the vendor's manual.")
        if status == 400 and not all(request.texts):
            remedy = "One of the texts is empty: leave those out. " + remedy
        return VendorRefused(
            f"{self.who} answers {status} to {request}{self.quote(answer)}.", remedy=remedy
        )

    def check_exhausted(self, answer: VendorResponse) -> None:
        """Raise VendorRefused if the account's quota is used up."""
        if _code(answer) in _EXHAUSTED_CODES:
            raise VendorRefused(
                f"{self.who} answers {answer.status}{self.quote(answer)}.",
                remedy="Check the plan and the billing of the account.",
            )

    def quote(self, answer: VendorResponse) -> str:
        """The vendor's message, shortened, after a colon; empty if there is none."""
        # A 401 often quotes the key with some letters starred out.
        told = "" if answer.status == 401 else _sentence(answer)
        # Ten times what is shown is enough; a server may send megabytes.
        sentence = self.hide(told[: 10 * _LONGEST_QUOTE])
        if len(sentence) > _LONGEST_QUOTE:
            sentence = f"{sentence[:_LONGEST_QUOTE]} ..."
        return f": {sentence}" if sentence else ""

    def hide(self, sentence: str) -> str:
        """The sentence on one line, without any word that holds a piece of the key."""
        value = "" if self.key is None else self.key.reveal()
        pieces = {value[at : at + _PIECE] for at in range(max(1, len(value) - _PIECE + 1))} - {""}
        return " ".join(
            "[hidden]" if "**" in word or any(piece in word for piece in pieces) else word
            for word in sentence.split()
        ).rstrip(".")

    def _remedies(self) -> Mapping[int, str]:
        key = self.endpoint.key
        without = "Name the variable that holds a key in the model's row: key."
        return {
            401: f"Check {key}." if key else without,
            403: f"Check what the account of {key} may use." if key else without,
            404: "Check base_url and model in the model's row.",
            413: "Set texts_per_request in the model's row to fewer.",
        }


def is_page(answer: VendorResponse) -> bool:
    """Whether the answer is a web page, by its content type or its first character."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "text/html" or answer.content.lstrip()[:1] == b"<"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long the vendor asks to wait (RFC 9110, section 10.2.3); None if it does not.

    A date is compared with the vendor's own clock, if its answer has a date.
    """
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        then, now = _date(value), _date(headers.get("date", ""))
        if then is None:
            return None
        seconds = (then - (now or datetime.now(UTC))).total_seconds()
    # Neither "nan" nor "inf", which float reads too.
    return max(seconds, 0.0) if seconds < float("inf") else None


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _json(answer: VendorResponse) -> object:
    try:
        return orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return None


def _sentence(answer: VendorResponse) -> str:
    body = _json(answer)
    for names in _SENTENCES:
        try:
            found = member(body, *names)
        except BadAnswer:
            continue
        if isinstance(found, str):
            return found
    return "" if is_page(answer) else answer.content.decode("utf-8", "replace")


def _code(answer: VendorResponse) -> str:
    try:
        return str(cast("object", member(_json(answer), "error", "code")))
    except BadAnswer:
        return ""


def _says_too_long(answer: VendorResponse, sentence: str) -> bool:
    lowered = sentence.lower()
    return _code(answer) in _TOO_LONG_CODES or any(phrase in lowered for phrase in _TOO_LONG)
