"""Who asks, and what they may."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from bindery.encoders.ticket import Ticket
from bindery.store.keys import Scope as Scope


@dataclass(frozen=True, slots=True)
class Identity:
    """The key of a request, ``""`` where the server has none and takes everybody."""

    key_id: str = ""
    scopes: frozenset[Scope] = frozenset(Scope)


def identity_of(request: Request) -> Identity:
    """Who sent the request, as the guard found."""
    return cast(Identity, request.scope["state"]["identity"])


def ticket_of(request: Request) -> Ticket:
    """The request's ticket: the guard cancels it when the client leaves."""
    return cast(Ticket, request.scope["state"]["ticket"])
