"""From a row of the catalog to a model that answers: fetched, weighed, loaded, prepared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bindery.encoders import Encoder
from bindery.encoders.checks import check_precision
from bindery.encoders.loading import load_encoder
from bindery.encoders.remote import load_remote
from bindery.engines import Precision
from bindery.engines.footprint import footprint
from bindery.errors import BinderyError, EngineError, KeyMissing, ModelMissing, UnsupportedModel
from bindery.library.folders import ModelFolders
from bindery.models.card import CatalogEntry, ModelCard, RemoteEntry
from bindery.models.preload import Outcome, Progress, State, preload
from bindery.models.sources import Source
from bindery.secret import Secret


class ModelState(StrEnum):
    """How far a model of the catalog is from answering; ``REMOTE`` is one that a vendor runs.

    ``FAILING`` is one that is loaded and does not answer just now.
    """

    LOADED = "loaded"
    FAILING = "failing"
    REMOTE = "remote"
    PRESENT = "present"
    MISSING = "missing"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model of the catalog and its state; ``error`` says why it cannot answer, if so.

    ``unloaded`` tells of a model that is present that it answered until it made room for another,
    and will again when it is asked for.
    """

    card: ModelCard
    state: ModelState
    error: BinderyError | None = None
    unloaded: bool = False


def status_of(encoder: Encoder) -> ModelStatus:
    """The state of a model that is loaded."""
    if (fault := encoder.fault) is None:
        return ModelStatus(encoder.card, ModelState.LOADED)
    error = EngineError(
        f"Model {encoder.card.id!r} does not answer: {fault}", remedy="It is tried again."
    )
    return ModelStatus(encoder.card, ModelState.FAILING, error)


class ModelLoader:
    """Loads the models of some folders in one way: the settings are those of ``load_encoder``.

    ``keys`` are those of remote models, by the variable that their rows name.
    """

    def __init__(
        self,
        folders: ModelFolders,
        *,
        precision: str,
        threads: int | None,
        engine: str,
        device: str,
        keys: Mapping[str, Secret],
        queue_tokens: int | None,
    ) -> None:
        self._folders = folders
        self._precision = precision
        self._threads = threads
        self._engine = engine
        self._device = device
        self._keys = keys
        self._queue_tokens = queue_tokens

    def status(self, model_id: str, *, was_loaded: bool) -> ModelStatus:
        """The state of a model that is not loaded; whether it once was. Raises UnknownModel."""
        entry = self._folders.entry(model_id)
        card = entry.card
        try:
            if isinstance(entry, RemoteEntry):
                load_remote(entry, self._keys.get(entry.endpoint.key)).close()
                return ModelStatus(card, ModelState.REMOTE)
            self._folders.layout(model_id)
        except (ModelMissing, KeyMissing) as error:
            return ModelStatus(card, ModelState.MISSING, error)
        except UnsupportedModel as error:
            return ModelStatus(card, ModelState.UNSUPPORTED, error)
        except BinderyError as error:
            return ModelStatus(card, ModelState.REFUSED, error)
        return ModelStatus(card, ModelState.PRESENT, unloaded=was_loaded)

    def preload(
        self,
        model_ids: Iterable[str],
        sources: Sequence[Source],
        *,
        progress: Progress,
        force: bool,
    ) -> list[Outcome]:
        """As :meth:`bindery.library.Library.preload`."""
        entries = [self._folders.local(model_id) for model_id in model_ids]
        outcomes = preload(entries, self._folders.home, sources, progress=progress, force=force)
        for entry in entries:
            self._folders.forget(entry.id)
        if self._precision != Precision.INT8:
            return outcomes
        return [
            self._calibrated(entry, outcome)
            for entry, outcome in zip(entries, outcomes, strict=True)
        ]

    def weigh(self, model_id: str) -> int:
        """How many bytes the model will hold: 0 for a remote one."""
        if isinstance(self._folders.entry(model_id), RemoteEntry):
            return 0
        layout = self._folders.layout(model_id)
        return footprint(
            layout.folder,
            precision=check_precision(layout, self._precision),
            threads=self._threads,
            engine=self._engine,
            device=self._device,
        )

    def load(self, model_id: str) -> Encoder:
        """Load it; a refusal stands until the process ends."""
        entry = self._folders.entry(model_id)
        if isinstance(entry, RemoteEntry):
            return load_remote(entry, self._keys.get(entry.endpoint.key))
        layout = self._folders.layout(model_id)
        try:
            return load_encoder(
                layout,
                precision=self._precision,
                threads=self._threads,
                engine=self._engine,
                device=self._device,
                queue_tokens=self._queue_tokens,
            )
        except BinderyError as error:
            self._folders.refuse(model_id, error)
            raise

    def _calibrated(self, entry: CatalogEntry, outcome: Outcome) -> Outcome:
        """How the preload of a model ended, with its preparation for int8."""
        # It loads the runtime, which commands that need no model do without.
        from bindery.encoders.calibration import calibrate

        if outcome.error:
            return outcome
        try:
            calibrate(self._folders.layout(entry.id), threads=self._threads)
        except BinderyError as error:
            return replace(outcome, state=State.FAILED, source="", error=error)
        return outcome
