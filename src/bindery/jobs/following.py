"""Running a job, or other long work, and telling what happens."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from bindery.errors import Abandoned
from bindery.jobs.jobs import Jobs
from bindery.jobs.values import Job, JobEvent

_LOOK_S = 0.2

Tell: TypeAlias = Callable[[Sequence[JobEvent]], object]
"""Called with what is new, perhaps nothing. What it raises ends the work."""


def run_followed(
    jobs: Jobs,
    job_id: str,
    tell: Tell,
    run: Callable[[Jobs, str], Job] = Jobs.run,
) -> None:
    """Run a job in a thread, and call ``tell`` several times a second with what is new.

    If ``tell`` raises, or Ctrl-C comes, the job stops cleanly and can be resumed. Raises what
    :meth:`Jobs.run` does.
    """
    ended: Future[Job] = Future()

    def work() -> None:
        try:
            ended.set_result(run(jobs, job_id))
        except BaseException as error:  # noqa: BLE001 - raised again after the thread has ended
            ended.set_exception(error)

    thread = threading.Thread(target=work, name="bindery-job", daemon=True)
    after = jobs.changes(job_id)[-1].number
    thread.start()
    try:
        while thread.is_alive():
            events = jobs.changes(job_id, after, _LOOK_S)
            after = events[-1].number if events else after
            tell(events)
        tell(jobs.changes(job_id, after))
    except BaseException:  # also Ctrl-C
        jobs.stop()
        thread.join()
        raise
    ended.result()


def follow_work(
    work: Callable[[Tell], Mapping[str, Any]], stopped: threading.Event
) -> Iterator[dict[str, Any] | None]:
    """Do work in a thread; yields the events that it reports, and None while nothing happens.

    They are values for JSON; the last one has the ``event`` "end", with what the work returned. The
    work is told to stop when ``stopped`` is set or the iterator is closed. Raises what it does.
    """
    news: SimpleQueue[dict[str, Any]] = SimpleQueue()
    ended: Future[None] = Future()

    def tell(events: Sequence[JobEvent]) -> None:
        if stopped.is_set():
            raise Abandoned("The work was stopped.")
        for event in events:
            news.put({"event": event.kind, "number": event.number, **event.data})

    def run() -> None:
        try:
            news.put({"event": "end", **work(tell)})
            ended.set_result(None)
        except BaseException as error:  # noqa: BLE001 - raised again where the events are read
            ended.set_exception(error)

    thread = threading.Thread(target=run, name="bindery-work", daemon=True)
    thread.start()
    try:
        while not (ended.done() and news.empty()):
            try:
                yield news.get(timeout=_LOOK_S)
            except Empty:
                yield None
        ended.result()
    finally:
        stopped.set()
        thread.join()
