"""Every error that Bindery raises on purpose, as one tree.

::

    BinderyError
    ├── InputError                 the caller can mend it
    │   ├── InvalidValue           a value out of range or of the wrong shape
    │   ├── TextTooLong            a text longer than the model's window, where cutting was refused
    │   ├── FileTooLarge           an upload over the size limit
    │   ├── UnsupportedKind        a document of a kind that no reader takes
    │   ├── BrokenDocument         a document that its reader cannot read
    │   ├── PasswordProtected      a document that opens only with a password
    │   ├── ParseTimeout           a document that took longer to parse than the limit allows
    │   ├── Quarantined            a file during whose work the process ended again and again
    │   ├── JobUnfinished          what can be done only to a job that is over
    │   └── IdempotencyConflict    a key that was given to another request
    ├── NotFound
    │   ├── UnknownModel
    │   ├── UnknownStrategy
    │   ├── UnknownFile
    │   ├── UnknownKey
    │   ├── UnknownRotation
    │   └── UnknownJob
    ├── ModelError                 a model that cannot be used
    │   ├── ModelMissing           its files are not on this machine yet
    │   ├── ModelGated             its publisher wants terms accepted first
    │   ├── ModelBroken            a file is truncated, altered or not what its digest says
    │   ├── UnsupportedModel       an architecture, module or family that Bindery does not run
    │   ├── SelfTestFailed         it loads, but its numbers are not the reference's
    │   └── ModelTooLarge          it needs more memory than all models together may hold
    ├── VendorError                a remote vendor that computes the vectors
    │   ├── KeyMissing             no key is set for it
    │   ├── VendorRefused          it refuses the request, and would again
    │   ├── VendorUnavailable      it is overloaded, failing or not reached, after every try
    │   └── VendorBroken           its answer is not what was asked for
    ├── SourceError                a hub or package index that cannot be reached or refuses
    ├── StorageError               a disk that is read-only, failing or holds what it should not
    │   └── StorageFull            a disk or a database without room: deleting still works
    ├── EngineError                the inference runtime failed, or gave numbers that are not finite
    │   └── TextFailed             on some texts alone, by themselves
    └── QueueError                 the request was not run
        ├── Overloaded             more waits than the queue holds
        ├── DeadlineExceeded       its time was up before its turn came
        └── Abandoned              its caller has left

Each class has a stable ``code`` for programs; the message names the value, ``remedy`` the way out.
A face translates the tree once: by class to a status (HTTP) or an exit code (command line).
"""

from typing import Any, ClassVar


class BinderyError(Exception):
    """The root: whatever Bindery raises on purpose.

    ``message`` says what is wrong and names the value, ``remedy`` says what to do about it (or is
    empty), ``param`` names the field or argument at fault where there is one.
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
        # What begins with underscores is Python's, such as __notes__.
        facts = {name: value for name, value in vars(self).items() if not name.startswith("__")}
        return (_rebuild, (type(self), facts))


def _rebuild(kind: type[BinderyError], facts: dict[str, Any]) -> BinderyError:
    return kind(**facts)


class InputError(BinderyError):
    """The caller can mend it."""

    code = "invalid_input"


class InvalidValue(InputError):
    """A value out of range or of the wrong shape."""

    code = "invalid_value"


class TextTooLong(InputError):
    """A text longer than the model's window, where cutting it was refused."""

    code = "text_too_long"


class FileTooLarge(InputError):
    """An upload over the size limit."""

    code = "file_too_large"


class UnsupportedKind(InputError):
    """A document of a kind that no reader takes."""

    code = "unsupported_kind"


class BrokenDocument(InputError):
    """A document that its reader cannot read."""

    code = "broken_document"


class PasswordProtected(InputError):
    """A document that opens only with a password."""

    code = "password_protected"


class ParseTimeout(InputError):
    """A document that took longer to parse than the limit allows."""

    code = "parse_timeout"


class Quarantined(InputError):
    """A file during whose work the process ended again and again."""

    code = "quarantined"


class JobUnfinished(InputError):
    """What was asked for can be done only to a job that is over."""

    code = "job_unfinished"


class IdempotencyConflict(InputError):
    """The idempotency key was given to another request."""

    code = "idempotency_conflict"


class NotFound(BinderyError):
    """Nothing goes by that name."""

    code = "not_found"


class UnknownModel(NotFound):
    """No model goes by that id."""

    code = "unknown_model"


class UnknownStrategy(NotFound):
    """No chunking strategy goes by that name."""

    code = "unknown_strategy"


class UnknownFile(NotFound):
    """No file goes by that id."""

    code = "unknown_file"


class UnknownKey(NotFound):
    """No API key goes by that id."""

    code = "unknown_key"


class UnknownRotation(NotFound):
    """No rotation goes by that name."""

    code = "unknown_rotation"


class UnknownJob(NotFound):
    """No job goes by that id."""

    code = "unknown_job"


class ModelError(BinderyError):
    """A model that cannot be used."""

    code = "model_error"


class ModelMissing(ModelError):
    """The model's files are not on this machine yet."""

    code = "model_missing"


class ModelGated(ModelError):
    """The model's publisher wants its terms accepted first."""

    code = "model_gated"


class ModelBroken(ModelError):
    """A file of the model is truncated, altered or not what its digest says."""

    code = "model_broken"


class UnsupportedModel(ModelError):
    """An architecture, module or family that Bindery does not run."""

    code = "unsupported_model"


class SelfTestFailed(ModelError):
    """The model loads, but its numbers are not the reference's."""

    code = "self_test_failed"


class ModelTooLarge(ModelError):
    """The model needs more memory than all models together may hold."""

    code = "model_too_large"


class VendorError(BinderyError):
    """A remote vendor that gives no vectors."""

    code = "vendor_error"


class KeyMissing(VendorError):
    """No key is set for the vendor."""

    code = "key_missing"


class VendorRefused(VendorError):
    """The vendor refuses the request, and would refuse it again."""

    code = "vendor_refused"


class VendorUnavailable(VendorError):
    """The vendor is overloaded, failing or not reached, after every try."""

    code = "vendor_unavailable"


class VendorBroken(VendorError):
    """The vendor's answer is not what was asked for."""

    code = "vendor_broken"


class SourceError(BinderyError):
    """A hub or package index that cannot be reached or refuses."""

    code = "source_error"


class StorageError(BinderyError):
    """A disk that is read-only, failing or holds what it should not."""

    code = "storage_error"


class StorageFull(StorageError):
    """A disk or a database without room; reading and deleting still work."""

    code = "storage_full"


class EngineError(BinderyError):
    """The inference runtime failed, or gave numbers that are not finite."""

    code = "engine_error"


class TextFailed(EngineError):
    """The engine fails on some texts, each by itself; others are not touched by it.

    ``places`` are their places in the request, rising; the message names the first.
    """

    code = "text_failed"

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        param: str | None = None,
        places: tuple[int, ...] = (),
    ) -> None:
        super().__init__(message, remedy=remedy, param=param)
        self.places = places


class QueueError(BinderyError):
    """The request was not run."""

    code = "not_run"


class Overloaded(QueueError):
    """More waits than the queue holds; there should be room again in ``retry_after_s`` seconds."""

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
    """The time of a request was up before its turn came."""

    code = "deadline_exceeded"


class Abandoned(QueueError):
    """The caller of a request has left."""

    code = "abandoned"
