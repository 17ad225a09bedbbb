"""``/keys``, ``/settings`` and ``/disk``: what the operator of a server looks after."""

import shutil
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict

from bindery.faces.http import examples
from bindery.faces.http.services import AppServices, Services, services_of
from bindery.library.usage import disk_usage
from bindery.store.keys import KeyStore

router = APIRouter(tags=["operation"])

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


@router.get("/keys", summary="List keys")
async def list_keys(request: Request) -> KeysAnswer:
    """Every key with its scopes, without the secrets. `bindery keys create` makes new ones."""
    services = services_of(request)
    keys = await services.disk.run(lambda: _store(services).read())
    return KeysAnswer(
        total_keys=len(keys), keys=[KeyAnswer.model_validate(key.facts()) for key in keys]
    )


@router.delete("/keys/{key_id}", include_in_schema=False)
async def revoke_key(request: Request, key_id: KeyPath) -> KeyRevokedAnswer:
    """Revoke a key; running servers refuse it within a second."""
    services = services_of(request)
    await services.disk.run(lambda: _store(services).revoke(key_id))
    return KeyRevokedAnswer(id=key_id)


class SettingAnswer(BaseModel):
    """A setting as a user would write it, and where the value comes from.

    Of a secret, ``value`` says whether it is set, and it has no ``flag`` of `bindery serve`.
    """

    key: str
    value: str
    origin: str
    variable: str
    flag: str | None


class SettingsAnswer(BaseModel):
    """Every setting of the server, in the order of the manual."""

    settings: list[SettingAnswer]


@router.get("/settings", summary="Show the settings")
async def show_settings(services: AppServices) -> SettingsAnswer:
    """Every setting with its value and its origin, as `bindery settings` shows them."""
    rows = services.found.facts()
    return SettingsAnswer(settings=[SettingAnswer.model_validate(row) for row in rows])


class DiskPartAnswer(BaseModel):
    """A part of the home; ``remedy`` says how to make it smaller, if anything can."""

    model_config = ConfigDict(from_attributes=True)

    path: str
    what: str
    size_bytes: int
    remedy: str


class DiskAnswer(BaseModel):
    """What takes space in the home, the largest first, and how much is free on its disk."""

    free_bytes: int
    parts: list[DiskPartAnswer]


@router.get("/disk", summary="Show the disk usage")
async def show_disk(services: AppServices) -> DiskAnswer:
    """What takes space in the home, as `bindery disk` shows it."""
    home = services.settings.home

    def measure() -> DiskAnswer:
        parts = [DiskPartAnswer.model_validate(part) for part in disk_usage(home)]
        return DiskAnswer(free_bytes=shutil.disk_usage(home).free, parts=parts)

    return await services.disk.run(measure)


def _store(services: Services) -> KeyStore:
    return KeyStore(services.settings.home)
