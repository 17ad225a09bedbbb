"""``/keys``: the API keys of the server, for its operator."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from bindery.faces.http import examples
from bindery.faces.http.services import Services, services_of
from bindery.store.keys import KeyStore

router = APIRouter(prefix="/keys", tags=["keys"])

KeyPath = Annotated[
    str, Path(description="The id of a key.", examples=[examples.KEY_ID], max_length=100)
]


class KeyAnswer(BaseModel):
    """A key without its secret; ``collections`` are the only ones it may see, null for all."""

    id: str
    name: str
    scopes: list[str]
    collections: list[str] | None
    created_at: datetime


class KeysAnswer(BaseModel):
    """All keys. A server without any accepts every request from its own machine."""

    total_keys: int
    keys: list[KeyAnswer]


class KeyRevokedAnswer(BaseModel):
    """The revoked key."""

    id: str
    revoked: Literal[True] = True


@router.get("", summary="List keys")
async def list_keys(request: Request) -> KeysAnswer:
    """Every key with its scopes, without the secrets. `bindery keys create` makes new ones."""
    services = services_of(request)
    keys = await services.disk.run(lambda: _store(services).read())
    return KeysAnswer(
        total_keys=len(keys), keys=[KeyAnswer.model_validate(key.facts()) for key in keys]
    )


@router.delete("/{key_id}", include_in_schema=False)
async def revoke_key(request: Request, key_id: KeyPath) -> KeyRevokedAnswer:
    """Revoke a key; running servers refuse it within a second."""
    services = services_of(request)
    await services.disk.run(lambda: _store(services).revoke(key_id))
    return KeyRevokedAnswer(id=key_id)


def _store(services: Services) -> KeyStore:
    return KeyStore(services.settings.home)
