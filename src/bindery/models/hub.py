"""Models from a hub with Hugging Face's URLs: owner/name/resolve/revision/path."""

import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass

import httpx2

from bindery.errors import InvalidValue, ModelGated, SourceError
from bindery.models.card import CatalogEntry
from bindery.models.network import UnusableNetwork, open_client
from bindery.models.sources import PIECE_BYTES, SourceFile, SourceUnreached
from bindery.secret import Secret

_CONNECT_TIMEOUT_S = 5.0
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OFFLINE_REMEDY = "Check the network connection, or load the model from a folder."


@dataclass(frozen=True, slots=True)
class HubSource:
    """A hub at ``endpoint``, with the user's token if there is one.

    The token is only sent to the endpoint's own origin, never after a redirect to another one.
    A file must begin to arrive within ``timeout_s``, including DNS, connecting and redirects, and
    must never pause for longer. It must be complete within ``deadline_s``. There are no retries.
    """

    endpoint: str
    token: Secret | None = None
    timeout_s: float = 8.0
    deadline_s: float = 7200.0

    def __post_init__(self) -> None:
        try:
            url = httpx2.URL(self.endpoint)
        except httpx2.InvalidURL:
            url = httpx2.URL("")
        # A password in the URL would appear in messages.
        if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query:
            raise InvalidValue(
                "The URL of a hub must be http or https, without user, password or query.",
                param="endpoint",
            )
        object.__setattr__(self, "endpoint", self.endpoint.rstrip("/"))

    @property
    def name(self) -> str:
        """Its name for users."""
        return f"hub {self.endpoint}"

    def files(self, entry: CatalogEntry, scratch: object) -> Generator[SourceFile, None, None]:
        """See :meth:`Source.files`."""
        del scratch
        timeout = httpx2.Timeout(self.timeout_s, connect=min(_CONNECT_TIMEOUT_S, self.timeout_s))
        # No compression, so that the announced size can be compared with the received one.
        headers = {"Accept-Encoding": "identity", "User-Agent": "bindery"}
        secret = "HF_TOKEN" if self.token else ""
        try:
            opened = open_client(self.endpoint, secret=secret, timeout=timeout, headers=headers)
        except UnusableNetwork as error:
            raise SourceUnreached(str(error), remedy=error.remedy) from None
        with opened as client:
            for path in entry.release.files:
                deadline = time.monotonic() + self.deadline_s
                response = _Request(self, client, entry, path).response()
                if response is None:
                    continue
                with closing(response):
                    size = _size(response)
                    yield SourceFile(path, size, _pieces(response, path, deadline))


@dataclass(frozen=True, slots=True)
class _Request:
    """The request for one file of one model."""

    hub: HubSource
    client: httpx2.Client
    entry: CatalogEntry
    path: str

    def response(self) -> httpx2.Response | None:
        """The response with the file, or None if it is optional and missing."""
        release = self.entry.release
        url = f"{self.hub.endpoint}/{release.repository}/resolve/{release.revision}/{self.path}"
        answer: Future[httpx2.Response] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._follow(httpx2.URL(url)))
            except BaseException as error:  # noqa: BLE001 (passed on to who waits, as executors do)
                answer.set_exception(error)

        # In a separate thread, because DNS and trying several addresses have no common time
        # limit.
        threading.Thread(target=ask, name="bindery-hub", daemon=True).start()
        try:
            response = answer.result(timeout=self.hub.timeout_s)
        except TimeoutError:
            answer.add_done_callback(_close)
            raise self._no_answer(
                f"the hub did not answer within {self.hub.timeout_s:g} s"
            ) from None
        return self._checked(response)

    def _follow(self, url: httpx2.URL) -> httpx2.Response:
        origin = _origin(url)
        for _ in range(_MAX_REDIRECTS + 1):
            auth = _Bearer(self.hub.token) if self.hub.token and _origin(url) == origin else None
            try:
                request = self.client.build_request("GET", url)
                response = self.client.send(request, stream=True, auth=auth)
            # No cause: it could contain the header with the token.
            # DNS raises ValueError for an invalid name.
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
                raise self._no_answer(_reason(error)) from None
            if response.status_code not in _REDIRECTS:
                return response
            response.close()
            url = self._redirected(url, response)
        raise self._astray(f"more than {_MAX_REDIRECTS} redirects")

    def _redirected(self, url: httpx2.URL, response: httpx2.Response) -> httpx2.URL:
        try:
            target = url.join(response.headers["Location"])
        except (KeyError, httpx2.InvalidURL):
            raise self._astray("the hub sent a redirect without a target") from None
        if target.scheme not in {"https", url.scheme}:
            # Do not show the URL: it may contain a signature that gives access to the file.
            raise self._astray(f"the hub redirects from {url.scheme} to {target.scheme!r}")
        return target

    def _checked(self, response: httpx2.Response) -> httpx2.Response | None:
        status = response.status_code
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if status == 200 and kind != "text/html":
            return response

        response.close()
        if status == 200:
            raise SourceError(
                f"{self.path}: received a web page instead of the file.",
                remedy="Check for a proxy or a sign-in page between this machine and the hub.",
            )
        if status == 404 and self.path in self.entry.release.optional:
            return None
        if status in {401, 403} and self.entry.release.gated:
            raise self._gated(status)
        raise SourceError(
            f"{self.path}: the hub answered {status}{_MEANINGS.get(status, '')}.",
            remedy=_REMEDIES.get(status, "Try again later."),
        )

    def _gated(self, status: int) -> ModelGated:
        release = self.entry.release
        page = f"{self.hub.endpoint}/{release.repository}"
        remedy = (
            f"Accept the terms at {page} and set HF_TOKEN to a token of that account."
            if self.hub.token is None
            else f"Accept the terms at {page} with the account of HF_TOKEN, and check that the "
            "token may read gated models."
        )
        if release.mirrors:
            remedy += (
                f" The same files, under the same terms, are also at {', '.join(release.mirrors)}. "
                "You can download them to a folder and load them from there."
            )
        with_or_without = "without a token" if self.hub.token is None else "to this token"
        return ModelGated(
            f"{self.path}: the hub answered {status} {with_or_without}: {release.repository} is "
            f"gated (licence {self.entry.card.licence!r}).",
            remedy=remedy,
        )

    def _astray(self, reason: str) -> SourceError:
        return SourceError(f"{self.path}: {reason}.", remedy="Check the URL of the hub.")

    def _no_answer(self, reason: str) -> SourceError:
        return SourceUnreached(f"{self.path}: {reason}.", remedy=_OFFLINE_REMEDY)


def _close(late: Future[httpx2.Response]) -> None:
    if late.exception() is None:
        late.result().close()


class _Bearer(httpx2.Auth):
    def __init__(self, token: Secret) -> None:
        self._token = token

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        yield request


_MEANINGS = {
    401: " (not signed in, or no such repository)",
    403: " (forbidden)",
    404: " (no such file at this revision)",
    429: " (too many requests)",
}
_REMEDIES = {
    401: "Check the repository's name; if it is private, set HF_TOKEN.",
    403: "Check that the account of HF_TOKEN may read the repository.",
    404: "Check the repository, the revision and the files in the catalog.",
}


def _pieces(response: httpx2.Response, path: str, deadline: float) -> Iterator[bytes]:
    try:
        for piece in response.iter_bytes(PIECE_BYTES):
            if time.monotonic() > deadline:
                raise SourceError(
                    f"{path}: the download was too slow and did not finish in time.",
                    remedy="Try again with a faster connection.",
                )
            yield piece
    except (httpx2.HTTPError, OSError) as error:
        raise SourceError(
            f"{path}: the download broke off after {response.num_bytes_downloaded} of "
            f"{_size(response) or 'unknown'} bytes: {_reason(error)}.",
            remedy="Check the network connection and try again.",
        ) from None


def _size(response: httpx2.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    # If the hub compresses anyway, the announced size is not that of the file.
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"
    return int(length) if length.isdecimal() and not encoded else None


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _reason(error: Exception) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return "the hub did not answer in time"
    if isinstance(error, httpx2.ConnectError):
        return f"the hub cannot be reached ({error})"
    return f"{type(error).__name__}: {error}"
