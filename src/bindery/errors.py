"""Every error that Bindery raises on purpose, as one tree.

::

    BinderyError
    ├── InputError                 the caller can fix it
    │   ├── InvalidValue           a value is out of range or has the wrong shape
    │   │   ├── InvalidCursor      a cursor of a search is damaged or belongs to another one
    │   │   └── CursorExpired      the collection has been rebuilt since the cursor was made
    │   ├── TextTooLong            a text is longer than the model's window and must not be cut
    │   ├── FileTooLarge           an upload exceeds the size limit
    │   ├── UnsupportedKind        no reader supports this kind of document
    │   ├── BrokenDocument         the reader cannot read the document
    │   ├── PasswordProtected      the document needs a password
    │   ├── ParseTimeout           parsing took longer than the limit
    │   ├── MostFilesGone          most files of a folder are gone, perhaps with their disk
    │   ├── Quarantined            the process ended repeatedly while working on the file
    │   ├── JobUnfinished          the job must finish first
    │   └── IdempotencyConflict    the idempotency key was used for a different request
    ├── NotFound
    │   ├── UnknownModel
    │   ├── UnknownStrategy
    │   ├── UnknownFile
    │   ├── UnknownKey
    │   ├── UnknownRotation
    │   ├── UnknownCollection
    │   └── UnknownJob
    ├── ModelError                 the model cannot be used
    │   ├── ModelMissing           its files are not on this machine yet
    │   ├── ModelGated             its terms must be accepted first
    │   ├── ModelBroken            a file is truncated, altered or does not match its digest
    │   ├── UnsupportedModel       Bindery does not support its architecture, module or family
    │   ├── SelfTestFailed         it loads, but its vectors differ from the reference
    │   └── ModelTooLarge          it needs more memory than the budget of all models
    ├── VendorError                a remote vendor did not return vectors
    │   ├── KeyMissing             no API key is set for the vendor
    │   ├── VendorRefused          it refused the request; retrying does not help
    │   ├── VendorUnavailable      it is overloaded, failing or unreachable, after all retries
    │   └── VendorBroken           its response is not valid
    ├── ExtraMissing               this needs a package that is not installed
    ├── SourceError                a hub or package index is unreachable or refuses
    ├── StorageError               a disk is read-only, failing or has unexpected content
    │   └── StorageFull            no space on the disk or in the database
    ├── EngineError                the inference runtime failed or returned non-finite numbers
    │   └── TextFailed             for some of the texts only
    └── QueueError                 the request did not run
        ├── Overloaded             the queue is full
        ├── DeadlineExceeded       the deadline passed before the request ran
        └── Abandoned              the caller has disconnected

Each class has a stable ``code`` for programs. The message names the value, ``remedy`` the way out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar


class BinderyError(Exception):
    """The base class of every error that Bindery raises on purpose.

    ``message`` says what is wrong and names the value. ``remedy`` says what to do about it, and may
    be empty. ``param`` names the field or argument that caused the error, if there is one.
    """

    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, remedy: str = "", param: str | None = None) -> None:
        super().__init__(message, remedy, param)
        self.message = message
        self.remedy = remedy
        self.param = param

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors cross processes.
        # Names that begin with two underscores, such as __notes__, belong to Python.
        facts = {name: value for name, value in vars(self).items() if not name.startswith("__")}
        return (_rebuild, (type(self), facts))


def _rebuild(kind: type[BinderyError], facts: dict[str, Any]) -> BinderyError:
    return kind(**facts)


class InputError(BinderyError):
    """The caller can fix it."""

    code = "invalid_input"


class InvalidValue(InputError):
    """A value is out of range or has the wrong shape."""

    code = "invalid_value"


class InvalidCursor(InvalidValue):
    """A cursor of a search is damaged or belongs to another one."""

    code = "invalid_cursor"


class CursorExpired(InvalidValue):
    """The collection has been rebuilt since the cursor was made."""

    code = "cursor_expired"


class TextTooLong(InputError):
    """A text is longer than the model's window and must not be cut."""

    code = "text_too_long"


class FileTooLarge(InputError):
    """An upload exceeds the size limit."""

    code = "file_too_large"


class UnsupportedKind(InputError):
    """No reader supports this kind of document."""

    code = "unsupported_kind"


class BrokenDocument(InputError):
    """The reader cannot read the document."""

    code = "broken_document"


class PasswordProtected(InputError):
    """The document needs a password."""

    code = "password_protected"


class ParseTimeout(InputError):
    """Parsing took longer than the limit."""

    code = "parse_timeout"


class MostFilesGone(InputError):
    """Most files of a folder are gone, perhaps because its disk is not mounted."""

    code = "most_files_gone"


class Quarantined(InputError):
    """The process ended repeatedly while working on the file."""

    code = "quarantined"


class JobUnfinished(InputError):
    """This is only possible after the job has finished."""

    code = "job_unfinished"


class IdempotencyConflict(InputError):
    """The idempotency key was used for a different request."""

    code = "idempotency_conflict"


class NotFound(BinderyError):
    """Nothing has this name."""

    code = "not_found"


class UnknownModel(NotFound):
    """No model has this id."""

    code = "unknown_model"


class UnknownStrategy(NotFound):
    """No chunking strategy has this name."""

    code = "unknown_strategy"


class UnknownFile(NotFound):
    """No file has this id."""

    code = "unknown_file"


class UnknownKey(NotFound):
    """No API key has this id."""

    code = "unknown_key"


class UnknownRotation(NotFound):
    """No rotation has this name."""

    code = "unknown_rotation"


class UnknownCollection(NotFound):
    """No collection has this name."""

    code = "unknown_collection"


class UnknownJob(NotFound):
    """No job has this id."""

    code = "unknown_job"


class ModelError(BinderyError):
    """The model cannot be used."""

    code = "model_error"


class ModelMissing(ModelError):
    """The model's files are not on this machine yet."""

    code = "model_missing"


class ModelGated(ModelError):
    """The publisher's terms must be accepted first."""

    code = "model_gated"


class ModelBroken(ModelError):
    """A model file is truncated, altered or does not match its digest."""

    code = "model_broken"


class UnsupportedModel(ModelError):
    """Bindery does not support the model's architecture, module or family."""

    code = "unsupported_model"


class SelfTestFailed(ModelError):
    """The model loads, but its vectors differ from the reference."""

    code = "self_test_failed"


class ModelTooLarge(ModelError):
    """The model needs more memory than the budget of all models."""

    code = "model_too_large"


class VendorError(BinderyError):
    """A remote vendor did not return vectors."""

    code = "vendor_error"


class KeyMissing(VendorError):
    """No API key is set for the vendor."""

    code = "key_missing"


class VendorRefused(VendorError):
    """The vendor refused the request; retrying does not help."""

    code = "vendor_refused"


class VendorUnavailable(VendorError):
    """The vendor is overloaded, failing or unreachable, after all retries."""

    code = "vendor_unavailable"


class VendorBroken(VendorError):
    """The vendor's response is not valid."""

    code = "vendor_broken"


class ExtraMissing(BinderyError):
    """This needs a package that is not installed with Bindery alone."""

    code = "extra_missing"


class SourceError(BinderyError):
    """A hub or package index is unreachable or refuses the request."""

    code = "source_error"


class StorageError(BinderyError):
    """A disk is read-only, failing or has unexpected content."""

    code = "storage_error"


class StorageFull(StorageError):
    """No space is left on the disk or in the database; reading and deleting still work."""

    code = "storage_full"


class EngineError(BinderyError):
    """The inference runtime failed or returned non-finite numbers."""

    code = "engine_error"


class TextFailed(EngineError):
    """The engine failed for some of the texts; the others are not affected.

    ``indices`` are their positions in the request, sorted; the message names the first.
    """

    code = "text_failed"

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        param: str | None = None,
        indices: tuple[int, ...] = (),
    ) -> None:
        super().__init__(message, remedy=remedy, param=param)
        self.indices = indices


class QueueError(BinderyError):
    """The request did not run."""

    code = "not_run"


class Overloaded(QueueError):
    """The queue is full.

    ``retry_after_s`` is when to retry.
    """

    code = "overloaded"

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        param: str | None = None,
        retry_after_s: int = 1,
    ) -> None:
        super().__init__(message, remedy=remedy, param=param)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(QueueError):
    """The deadline passed before the request ran.

    ``computed`` has what an encoder had computed for each text by then, None for the rest.
    """

    code = "deadline_exceeded"
    computed: Sequence[object] = ()


class Abandoned(QueueError):
    """The caller has disconnected; appears only in logs."""

    code = "abandoned"


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """A remedy that names the nearest of the known names; ``otherwise`` if none is near."""
    near = get_close_matches(name[:200], map(str, known), n=1)
    return f"Did you mean {near[0]!r}?" if near else otherwise


def error_from(told: Mapping[str, Any]) -> BinderyError:
    """The error that a server told, of the class that has its code."""
    kinds = (one for one in _below(BinderyError) if one.code == told.get("code"))
    kind = next(kinds, BinderyError)
    return kind(told["message"], remedy=told.get("remedy") or "", param=told.get("param"))


def _below(kind: type[BinderyError]) -> Iterator[type[BinderyError]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from _below(inner)
