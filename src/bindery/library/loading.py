"""Everything between a row of the catalog and a loaded model: fetching, measuring, loading."""

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
from bindery.options import ModelOptions
from bindery.secret import Secret


class ModelState(StrEnum):
    """The state of a model of the catalog.

    ``FAILING`` is loaded but does not answer at the moment; ``REMOTE`` runs at a vendor.
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
    """The state of a model of the catalog; ``error`` says why it cannot answer.

    ``unloaded``: the model was unloaded to make room for another, and is loaded again on demand.
    """

    card: ModelCard
    state: ModelState
    error: BinderyError | None = None
    unloaded: bool = False


def status_of(encoder: Encoder) -> ModelStatus:
    """The state of a loaded model."""
    if (fault := encoder.fault) is None:
        return ModelStatus(encoder.card, ModelState.LOADED)
    error = EngineError(
        f"Model {encoder.card.id!r} does not answer: {fault}", remedy="It is tested regularly."
    )
    return ModelStatus(encoder.card, ModelState.FAILING, error)


class ModelLoader:
    """Loads models with the same options.

    ``keys`` are the API keys of remote models, by the variable that their rows name.
    """

    def __init__(
        self,
        folders: ModelFolders,
        options: ModelOptions,
        *,
        keys: Mapping[str, Secret],
        queue_tokens: int | None,
    ) -> None:
        self._folders = folders
        self._options = options
        self._keys = keys
        self._queue_tokens = queue_tokens

    def status(self, model_id: str, *, was_loaded: bool) -> ModelStatus:
        """The state of a model that is not loaded now. Raises UnknownModel."""
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
        """See :meth:`bindery.library.Library.preload`."""
        entries = [self._folders.local(model_id) for model_id in model_ids]
        fetched = [entry for entry in entries if not self._folders.folder_of(entry.id)]
        found = preload(fetched, self._folders.home, sources, progress=progress, force=force)
        by_id = {outcome.id: outcome for outcome in found}
        outcomes = [
            by_id.get(entry.id) or Outcome(entry.id, State.PRESENT, "", 0.0) for entry in entries
        ]
        for entry in entries:
            self._folders.forget(entry.id)
        if self._options.precision != Precision.INT8:
            return outcomes
        return [
            self._calibrated(entry, outcome)
            for entry, outcome in zip(entries, outcomes, strict=True)
        ]

    def weigh(self, model_id: str) -> int:
        """The memory that the model will need, in bytes: 0 for a remote one."""
        if isinstance(self._folders.entry(model_id), RemoteEntry):
            return 0
        layout = self._folders.layout(model_id)
        precision = check_precision(layout, self._options.precision)
        return footprint(layout.folder, replace(self._options, precision=precision))

    def load(self, model_id: str) -> Encoder:
        """Load a model. If it is refused, it stays refused until the process ends."""
        entry = self._folders.entry(model_id)
        if isinstance(entry, RemoteEntry):
            return load_remote(entry, self._keys.get(entry.endpoint.key))
        layout = self._folders.layout(model_id)
        try:
            return load_encoder(layout, self._options, queue_tokens=self._queue_tokens)
        except BinderyError as error:
            self._folders.refuse(model_id, error)
            raise

    def _calibrated(self, entry: CatalogEntry, outcome: Outcome) -> Outcome:
        """The outcome of a preload, including the preparation for int8."""
        # This imports the runtime, which commands without a model do not need.
        from bindery.encoders.calibration import calibrate

        if outcome.error:
            return outcome
        try:
            calibrate(self._folders.layout(entry.id), threads=self._options.threads)
        except BinderyError as error:
            return replace(outcome, state=State.FAILED, source="", error=error)
        return outcome
