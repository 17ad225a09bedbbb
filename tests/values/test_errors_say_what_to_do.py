"""The tree of errors: as drawn, with codes that stay, and whole after crossing processes."""

import copy
import pickle
import re
from collections.abc import Iterator

import pytest

from bindery import errors
from bindery.errors import BinderyError, Overloaded, TextFailed

# Programs rely on these: a code that changes breaks them, so it is changed here too, and announced.
CODES = {
    "BinderyError": "internal_error",
    "InputError": "invalid_input",
    "InvalidValue": "invalid_value",
    "InvalidCursor": "invalid_cursor",
    "CursorExpired": "cursor_expired",
    "TextTooLong": "text_too_long",
    "FileTooLarge": "file_too_large",
    "UnsupportedKind": "unsupported_kind",
    "BrokenDocument": "broken_document",
    "PasswordProtected": "password_protected",
    "ParseTimeout": "parse_timeout",
    "NotFound": "not_found",
    "UnknownModel": "unknown_model",
    "UnknownStrategy": "unknown_strategy",
    "UnknownFile": "unknown_file",
    "UnknownRotation": "unknown_rotation",
    "UnknownCollection": "unknown_collection",
    "UnknownJob": "unknown_job",
    "MostFilesGone": "most_files_gone",
    "Quarantined": "quarantined",
    "JobUnfinished": "job_unfinished",
    "IdempotencyConflict": "idempotency_conflict",
    "ModelError": "model_error",
    "ModelMissing": "model_missing",
    "ModelGated": "model_gated",
    "ModelBroken": "model_broken",
    "UnsupportedModel": "unsupported_model",
    "SelfTestFailed": "self_test_failed",
    "VendorError": "vendor_error",
    "KeyMissing": "key_missing",
    "VendorRefused": "vendor_refused",
    "VendorUnavailable": "vendor_unavailable",
    "VendorBroken": "vendor_broken",
    "ExtraMissing": "extra_missing",
    "SourceError": "source_error",
    "StorageError": "storage_error",
    "StorageFull": "storage_full",
    "EngineError": "engine_error",
    "TextFailed": "text_failed",
    "UnknownKey": "unknown_key",
    "ModelTooLarge": "model_too_large",
    "QueueError": "not_run",
    "Overloaded": "overloaded",
    "DeadlineExceeded": "deadline_exceeded",
    "Abandoned": "abandoned",
}


def tree(root: type[BinderyError]) -> Iterator[type[BinderyError]]:
    """The classes of the module itself: a face may add its own elsewhere."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


CLASSES = list(tree(BinderyError))


def drawn_tree() -> dict[str, str]:
    """Each class of the drawing by name, with the one above it."""
    parents, above = {}, {0: "BinderyError"}
    for bars, name in re.findall(r"(?m)^ {4}([│ ]*[├└])── (\w+)", errors.__doc__ or ""):
        depth = (len(bars) - 1) // 4
        parents[name] = above[depth]
        above[depth + 1] = name
    return parents


def test_the_tree_is_as_drawn() -> None:
    assert drawn_tree() == {kind.__name__: kind.__base__.__name__ for kind in CLASSES[1:]}


def test_codes_stay_as_they_are() -> None:
    assert {kind.__name__: kind.code for kind in CLASSES} == CODES
    assert len(set(CODES.values())) == len(CODES)
    assert all("code" in vars(kind) for kind in CLASSES), "a code that is inherited is not unique"


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_crosses_processes_whole(kind: type[BinderyError]) -> None:
    error = kind("The size is 0.", remedy="Choose 1 or more.", param="size")

    for arrived in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(arrived) is kind
        told = (arrived.message, arrived.remedy, arrived.param, arrived.code)
        assert told == ("The size is 0.", "Choose 1 or more.", "size", kind.code)
        assert str(arrived) == "The size is 0. Choose 1 or more."


def test_what_an_error_tells_beyond_its_words_crosses_processes_too() -> None:
    failed = pickle.loads(pickle.dumps(TextFailed("Texts 1 and 4 fail.", indices=(1, 4))))
    refused = pickle.loads(pickle.dumps(Overloaded("The queue is full.", retry_after_s=7)))

    assert failed.indices == (1, 4)
    assert refused.retry_after_s == 7


def test_an_error_without_a_remedy_is_its_message() -> None:
    error = BinderyError("It broke.")

    assert str(error) == "It broke."
    assert (error.remedy, error.param) == ("", None)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_says_what_it_means(kind: type[BinderyError]) -> None:
    assert (kind.__doc__ or "").strip().endswith(".")
