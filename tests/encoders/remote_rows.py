"""Rows of remote models for the fault server, and a time that passes without waiting."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.encoders.fault_server import WIDTH, FaultServer

from bindery.encoders.remote import RemoteEncoder, load_remote
from bindery.encoders.vendors.client import Pace, Stop
from bindery.models.card import Family, ModelCard, RemoteEntry
from bindery.models.endpoint import Endpoint, Vendor
from bindery.secret import Secret

BASES = {
    Vendor.OPENAI: "/openai/v1",
    Vendor.COHERE: "/cohere",
    Vendor.VOYAGE: "/voyage/v1",
}
KEY = Secret("sk-test-0123456789abcdef", name="VENDOR_KEY")


def entry(server: FaultServer, vendor: Vendor = Vendor.OPENAI, **card: object) -> RemoteEntry:
    """A row that asks ``server`` in the dialect of ``vendor``."""
    fields = {
        "id": "far",
        "family": Family.DENSE,
        "dimensions": WIDTH,
        "max_tokens": 512,
        "pooling": (),
        "normalised": True,
    }
    return RemoteEntry(
        ModelCard(**(fields | card)),
        Endpoint(vendor, server.origin + BASES[vendor], "model-1", key="VENDOR_KEY"),
    )


def bounded(row: RemoteEntry, *, pace: Pace | None = None, **bounds: object) -> RemoteEncoder:
    """The row's encoder, with other bounds."""
    return load_remote(replace(row, endpoint=replace(row.endpoint, **bounds)), KEY, pace=pace)


@dataclass
class Clock:
    """Real time, and the waits that were asked for on top of it, without waiting."""

    waits: list[float] = field(default_factory=list)
    chance: Callable[[], float] = lambda: 0.5

    def pace(self) -> Pace:
        return Pace(clock=self.now, wait=self.wait, chance=self.chance)

    def now(self) -> float:
        return time.monotonic() + sum(self.waits)

    def wait(self, stop: Stop, seconds: float) -> None:
        del stop
        self.waits.append(seconds)
