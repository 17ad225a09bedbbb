"""Who asks, and what they may."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from bindery.encoders.pending import Cancellation
from bindery.store.keys import Scope as Scope


@dataclass(frozen=True, slots=True)
class Identity:
    """The key of a request, ``""`` where the server has none and takes everybody."""

    key_id: str = ""
    scopes: frozenset[Scope] = frozenset(Scope)


def identity_of(request: Request) -> Identity:
    """Who sent the request, as the guard found."""
    return cast(Identity, request.scope["state"]["identity"])


def cancellation_of(request: Request) -> Cancellation:
    """The request's cancellation: the guard cancels it when the client leaves."""
    return cast(Cancellation, request.scope["state"]["cancellation"])
