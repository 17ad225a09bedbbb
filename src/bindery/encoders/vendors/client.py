"""One request to a vendor: tries, waits, deadlines, and checks of the answer."""

import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from random import random
from typing import Any, TypeAlias

import httpx2
import numpy as np
import orjson

from bindery.encoders.vendors.base import BadAnswer, VendorApi, VendorReply, VendorRequest
from bindery.encoders.vendors.refusals import Refusals, VendorResponse, is_page, retry_after_s
from bindery.errors import EngineError, VendorBroken, VendorUnavailable
from bindery.models.endpoint import Endpoint
from bindery.models.network import UnusableNetwork, open_client
from bindery.secret import Secret

Stop: TypeAlias = Future[None]
"""Done when the caller no longer needs the answer."""

# Full jitter (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/):
# the n-th wait is drawn from 0 to this, doubled n times.
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 16.0

# With less time left there is no further try.
_SHORTEST_TRY_S = 0.05

# Tried again, like 500 and above: timeout, conflict (OpenAI: a lock), too early, too many requests.
_PASSING = frozenset({408, 409, 425, 429})

# Limits of an answer: room beside its vectors, and for each value of a vector, which takes up to 25
# characters and a blank. Some vendors send the texts back.
_ENVELOPE_BYTES = 1 << 20
_VALUE_BYTES = 32


def _wait(stop: Stop, seconds: float) -> None:
    wait([stop], timeout=seconds)


@dataclass(frozen=True, slots=True)
class Pace:
    """The clock and the random numbers of a client; tests bring their own."""

    clock: Callable[[], float] = time.monotonic
    wait: Callable[[Stop, float], None] = _wait
    chance: Callable[[], float] = random


class TransientFault(Exception):
    """A fault that may pass; ``wait_s`` is how long the vendor asks to wait, if it says so."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class VendorClient:
    """The connections to a vendor's server. Thread-safe."""

    def __init__(self, endpoint: Endpoint, api: VendorApi, key: Secret | None, pace: Pace) -> None:
        self._endpoint = endpoint
        self._api = api
        self._key = key
        self._pace = pace
        self._url = endpoint.base_url + api.path
        self._refusals = Refusals(endpoint, key)
        # Threads have their own time limit, so the pool needs none.
        try:
            self._http = open_client(
                self._url,
                secret=endpoint.key if key else "",
                headers={"Accept-Encoding": "identity", "User-Agent": "bindery"},
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
            )
        except UnusableNetwork as error:
            raise VendorUnavailable(str(error), remedy=error.remedy) from None
        self._lock = threading.RLock()  # reentrant: the encoder may be collected at any time
        self._running = 0
        self._is_closed = False

    def embed(self, request: VendorRequest, width: int, stop: Stop) -> VendorReply:
        """The vectors of the texts, (n, width) and finite.

        Raises VendorRefused, VendorUnavailable after the last try, VendorBroken, TextTooLong, and
        EngineError once ``stop`` is done.
        """
        endpoint, clock = self._endpoint, self._pace.clock
        body = orjson.dumps({**endpoint.extra, **self._api.body(endpoint, request)})
        most_bytes = _ENVELOPE_BYTES + 2 * len(body) + len(request.texts) * width * _VALUE_BYTES
        deadline = clock() + endpoint.timeout_s
        for tries in count(1):
            # At most half the time, so that a try that hangs leaves some for another.
            limit_s = min(deadline - clock(), endpoint.timeout_s / 2)
            try:
                return self._read(self._try(body, most_bytes, limit_s, stop), request, width)
            except BadAnswer as error:
                raise self._broken(error, request) from None
            except TransientFault as fault:
                wait_s = self._wait_s(fault, tries)
                if tries == endpoint.tries or clock() + wait_s + _SHORTEST_TRY_S > deadline:
                    raise self._unavailable(fault, tries, request) from None
            self._pace.wait(stop, wait_s)
            if stop.done():
                raise _given_up()
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """Close the connections, or let the last running request close them.

        A connection that is being opened would be left open by closing the client now.
        """
        with self._lock:
            self._is_closed = True
            if not self._running:
                self._http.close()

    @contextmanager
    def _open(self) -> Generator[None]:
        with self._lock:
            if self._is_closed:
                raise EngineError("The model was closed.", remedy="Load it again.")
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if self._is_closed:
                    self.close()

    def _try(self, body: bytes, most_bytes: int, limit_s: float, stop: Stop) -> VendorResponse:
        answer: Future[VendorResponse] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._send(body, most_bytes, limit_s))
            except BaseException as error:  # noqa: BLE001 - raised where the result is read
                answer.set_exception(error)

        # In a separate thread, because no single time limit covers the name lookup, connecting, and
        # an answer that comes byte by byte.
        threading.Thread(target=ask, name="bindery-vendor", daemon=True).start()
        either: list[Future[Any]] = [answer, stop]
        wait(either, timeout=limit_s, return_when=FIRST_COMPLETED)
        if stop.done():
            raise _given_up()
        if not answer.done():
            raise TransientFault(f"no answer within {limit_s:.3g} s")
        return answer.result()

    def _send(self, body: bytes, most_bytes: int, limit_s: float) -> VendorResponse:
        headers = {"Content-Type": "application/json"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        ends = time.monotonic() + limit_s
        try:
            with (
                self._open(),
                self._http.stream(
                    "POST", self._url, content=body, headers=headers, timeout=limit_s
                ) as response,
            ):
                content = bytearray()
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > most_bytes:
                        raise BadAnswer(f"it is longer than {most_bytes} bytes")
                    if time.monotonic() > ends:
                        raise TransientFault(f"no complete answer within {limit_s:.3g} s")
                return VendorResponse(response.status_code, response.headers, bytes(content))
        # The causes are dropped, because they may hold the header with the key. The name lookup
        # raises ValueError for an impossible name.
        except httpx2.TimeoutException:
            raise TransientFault(f"no answer within {limit_s:.3g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise TransientFault(self._refusals.hide(f"{type(error).__name__}: {error}")) from None

    def _read(self, answer: VendorResponse, request: VendorRequest, width: int) -> VendorReply:
        if answer.status in _PASSING or answer.status >= 500:
            self._refusals.check_exhausted(answer)
            reason = f"status {answer.status}{self._refusals.quote(answer)}"
            raise TransientFault(reason, retry_after_s(answer.headers))
        if not 200 <= answer.status < 300:
            raise self._refusals.refusal(answer, request)
        if is_page(answer):
            raise BadAnswer("it is a web page instead of JSON")
        try:
            content = orjson.loads(answer.content)
        except orjson.JSONDecodeError as error:
            raise BadAnswer(f"it is not JSON ({error})") from None
        reply = self._api.read(content, len(request.texts))
        _check(reply, width)
        return reply

    def _wait_s(self, fault: TransientFault, tries: int) -> float:
        most = min(_FIRST_WAIT_S * 2 ** (tries - 1), _LONGEST_WAIT_S)
        # Slightly longer than asked, so that not all refused clients return at the same time.
        return (fault.wait_s or 0.0) + most * self._pace.chance()

    def _unavailable(
        self, fault: TransientFault, tries: int, request: VendorRequest
    ) -> VendorUnavailable:
        after = "1 try" if tries == 1 else f"{tries} tries"
        asked = f"; it asks to wait {fault.wait_s:g} s" if fault.wait_s else ""
        return VendorUnavailable(
            f"{self._refusals.who} gave no vectors for {request} after {after}: {fault}{asked}.",
            remedy="Try again later, or raise tries and timeout_s in the model's row.",
        )

    def _broken(self, error: BadAnswer, request: VendorRequest) -> VendorBroken:
        return VendorBroken(
            f"The answer of {self._refusals.who} to {request} cannot be used: {error}.",
            remedy="Check vendor, base_url, model and dimensions in the model's row, and whether a "
            "proxy or a sign-in page answers instead.",
        )


def _check(reply: VendorReply, width: int) -> None:
    found = reply.vectors.shape[1]
    if found != width:
        raise BadAnswer(f"its vectors have {found} values, not {width}")
    finite = np.isfinite(reply.vectors).all(axis=1)
    if not finite.all():
        raise BadAnswer(f"vector {int(finite.argmin())} holds a value that is not finite")


def _given_up() -> EngineError:
    return EngineError("The request was given up because another request of the same call failed.")
