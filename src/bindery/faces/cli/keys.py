"""``bindery keys``: the API keys of servers of this home."""

from collections.abc import Collection

from bindery.errors import InvalidValue
from bindery.faces.cli.printing import messages, new_table, output, print_json, printable
from bindery.settings import Settings
from bindery.store.keys import Key, KeyStore, Scope


def create(
    settings: Settings,
    name: str,
    scopes: Collection[str],
    collections: Collection[str] | None,
    *,
    json: bool,
) -> None:
    """Create a key and print it. Standard output gets the key alone, for scripts.

    Without ``scopes`` it may embed, or search the ``collections`` that it is limited to.
    """
    chosen = [*map(_scope, scopes)] or [Scope.EMBED if collections is None else Scope.SEARCH]
    key, text = KeyStore(settings.home).create(name, chosen, collections)
    if json:
        print_json({**key.facts(), "key": text.reveal()})
        return
    messages().print(
        f"Key {key.id} ({_allowed(key)}) is shown only once: store it now. "
        "Clients send it as `Authorization: Bearer KEY` or `x-api-key: KEY`.",
        soft_wrap=True,
    )
    output().print(text.reveal(), soft_wrap=True)


def show(settings: Settings, *, json: bool) -> None:
    """List the keys, without the secrets."""
    keys = KeyStore(settings.home).read()
    if json:
        print_json({"total_keys": len(keys), "keys": [key.facts() for key in keys]})
        return
    if not keys:
        output().print("There are no keys. Create one with `bindery keys create --name NAME`.")
        return
    table = new_table("id", "name", "scopes", "collections", "created")
    for key in keys:
        facts = key.facts()
        scopes = ", ".join(facts["scopes"])
        only = printable(", ".join(facts["collections"] or ["all"]))
        table.add_row(key.id, printable(key.name), scopes, only, facts["created_at"])
    output().print(table)


def revoke(settings: Settings, key_id: str, *, json: bool) -> None:
    """Revoke a key."""
    key = KeyStore(settings.home).revoke(key_id)
    if json:
        print_json({"id": key.id, "revoked": True})
    else:
        output().print(
            f"Key {key.id} ({printable(key.name)}) is revoked; running servers refuse it within a "
            "second.",
            soft_wrap=True,
        )


def _scope(name: str) -> Scope:
    try:
        return Scope(name)
    except ValueError:
        raise InvalidValue(
            f"Unknown scope {name!r}.",
            remedy=f"Choose one of: {', '.join(Scope)}.",
            param="scope",
        ) from None


def _allowed(key: Key) -> str:
    scopes = ", ".join(sorted(key.scopes))
    if key.collections is None:
        return scopes
    return f"{scopes}; only {printable(', '.join(sorted(key.collections)))}"
