"""Whether requests shall be sent here: what ``/ready`` tells, and why."""

from bindery.faces.http.pools import Pool
from bindery.faces.http.routes.shapes import ModelReadiness, ReadyAnswer
from bindery.faces.http.warmup import Warmup
from bindery.library import Library, ModelState, ModelStatus

# Models in these states are not on the machine or not served, and nobody waits for them.
_NOT_HERE = {ModelState.MISSING, ModelState.UNSUPPORTED}
# A vendor is not asked whether it answers: that may cost money.
_ANSWERS = {ModelState.LOADED, ModelState.REMOTE}


class Readiness:
    """One for each app. Its look-ups have a thread of their own, whatever the others are doing.

    ``is_ending`` is set when the server is told to end: from then on it is not ready.
    """

    def __init__(self, library: Library, warmup: Warmup) -> None:
        self.is_ending = False
        self._library = library
        self._warmup = warmup
        self._pool = Pool("probe", threads=1, waiting=1024)

    async def answer(self) -> ReadyAnswer:
        """What can be said now."""
        if self.is_ending:
            return ReadyAnswer(status="draining", models=[])
        if self._warmup.is_running:
            return ReadyAnswer(status="loading", models=[])
        statuses = await self._pool.run(self._library.statuses)
        models = [_model(status) for status in statuses]
        here = [status for status in statuses if status.state not in _NOT_HERE]
        if any(
            status.state is ModelState.PRESENT and not self._warmup.has_tried(status.card.id)
            for status in here
        ):
            self._warmup.start()  # a model that was preloaded since the server started
            return ReadyAnswer(status="loading", models=models)
        # One that made room for another is loaded again when it is asked for.
        answers = bool(here) and all(one.state in _ANSWERS or one.unloaded for one in here)
        storage = self._library.storage_failure
        status = "ready" if answers and storage is None else "not_ready"
        return ReadyAnswer(status=status, models=models, storage=storage)

    def close(self) -> None:
        """Give the thread back."""
        self._pool.close()


def _model(status: ModelStatus) -> ModelReadiness:
    error = status.error
    return ModelReadiness(
        id=status.card.id,
        state=status.state.value,
        code=error.code if error else None,
        message=error.message if error else None,
        remedy=error.remedy if error else None,
    )
