"""Running a job and telling what happens."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from bindery.jobs.jobs import Jobs
from bindery.jobs.values import Job, JobEvent

_LOOK_S = 0.2


def run_followed(
    jobs: Jobs,
    job_id: str,
    tell: Callable[[Sequence[JobEvent]], object],
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
