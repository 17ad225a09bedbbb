"""No thread waits for a vector: slow requests leave room for quick ones."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest
from starlette.testclient import TestClient
from tests.encoders.fault_server import FaultServer, silent
from tests.encoders.remote_rows import KEY, entry

from bindery.encoders.pending import Pending
from bindery.errors import TextFailed
from bindery.faces.http.app import create_app
from bindery.faces.http.calls import arrival
from bindery.library import Library
from bindery.options import ModelOptions

from .conftest import ADDRESS

LOCAL = {"model": "vanilla", "input": "a question"}
FAR = {"model": "far", "input": "slow"}


@pytest.fixture
def vendor() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture
def client(vendor, home, settings) -> Iterator[TestClient]:
    """A server with a local model and a remote one."""
    library = Library(
        home,
        ModelOptions(precision="f32"),
        catalog={"far": entry(vendor)},
        keys={"VENDOR_KEY": KEY},
    )
    library.load("vanilla")
    with TestClient(create_app(library, settings), base_url=ADDRESS) as client:
        yield client


def test_a_vendor_that_keeps_silent_holds_up_nobody_else(client, vendor):
    vendor.by_text = {"slow": silent}
    services = client.app.state.services
    # More requests than there are threads for requests of any size.
    many = services.encoding.threads + services.bulk.threads + 1
    with ThreadPoolExecutor(many) as threads:
        far = [threads.submit(client.post, "/v1/embeddings", json=FAR) for _ in range(many)]
        while len(vendor.seen) < many:
            assert not any(one.done() for one in far)
        assert client.post("/v1/embeddings", json=LOCAL).status_code == 200
        bulk = LOCAL | {"input": ["a text of many " * 20] * 50}
        assert client.post("/v1/embeddings", json=bulk).status_code == 200
        assert not any(one.done() for one in far)
        vendor.by_text.clear()
        vendor.released.set()
        assert [one.result().status_code for one in far] == [200] * many


def test_a_model_that_is_being_loaded_holds_up_nobody_else(client):
    """The remote model is not loaded yet, and cannot be while the loading threads are busy."""
    services, release = client.app.state.services, threading.Event()
    many = services.encoding.threads + services.bulk.threads + 1
    for _ in range(services.loading.threads):
        services.loading._threads.submit(release.wait)
    with ThreadPoolExecutor(many) as threads:
        far = [threads.submit(client.post, "/v1/embeddings", json=FAR) for _ in range(many)]
        try:
            assert client.post("/v1/embeddings", json=LOCAL).status_code == 200
            assert not wait(far, timeout=0.2).done
        finally:
            release.set()
        assert [one.result().status_code for one in far] == [200] * many


def test_requests_that_wait_for_vectors_hold_no_thread():
    """Many requests at once in a loop whose only other thread is the one that answers them."""
    futures: list[Future[int]] = [Future() for _ in range(200)]
    pendings = [Pending(future, lambda value: value + 1) for future in futures]

    async def one(pending: Pending[int]) -> int:
        await arrival(pending)
        assert pending.is_done
        return pending.result()

    async def everyone() -> list[int]:
        before = set(threading.enumerate())
        tasks = [asyncio.create_task(one(pending)) for pending in pendings]
        await asyncio.sleep(0)
        assert set(threading.enumerate()) <= before  # threads of other tests may end
        answering = threading.Thread(
            target=lambda: [future.set_result(n) for n, future in enumerate(futures)]
        )
        answering.start()
        found = await asyncio.gather(*tasks)
        answering.join()
        return found

    assert asyncio.run(everyone()) == [n + 1 for n in range(200)]


def test_what_is_there_or_failed_already_is_not_waited_for():
    async def both() -> None:
        await arrival(Pending.done(7))
        failed: Future[int] = Future()
        failed.set_exception(TextFailed("No numbers."))
        pending = Pending(failed, lambda value: value)
        await arrival(pending)
        with pytest.raises(TextFailed):
            pending.result()

    asyncio.run(both())


def test_an_answer_that_comes_too_late_harms_nobody():
    """First the waiting task is gone, then the loop."""
    early: Future[int] = Future()
    late: Future[int] = Future()

    complaints = []

    async def leave() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
        tasks = [
            asyncio.create_task(arrival(Pending(future, lambda value: value)))
            for future in (early, late)
        ]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        early.set_result(1)
        await asyncio.sleep(0)

    asyncio.run(leave())
    late.set_result(1)
    assert not complaints
