"""What deletions in collections answer."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from bindery.search.deleting import DeletionReceipt


class KeptTextAnswer(BaseModel):
    """A place that has the same text as what was deleted, and the reason."""

    kind: str
    name: str
    id: str
    collection: str
    reason: str


class ReceiptAnswer(BaseModel):
    """What a deletion removed, what is left of it on the disk, and until when."""

    collection: str
    files: list[str]
    chunks: int
    vectors: int
    entries: dict[str, int]
    job_results: int
    cached_vectors: int
    kept: list[KeptTextAnswer]
    segments_left: int
    bytes_left: int
    rewritten_by: datetime | None


class CollectionDeletedAnswer(BaseModel):
    """The deleted collection."""

    name: str
    deleted: Literal[True] = True
    receipt: ReceiptAnswer


class FileRemovedAnswer(BaseModel):
    """The removed file."""

    file: str
    deleted: Literal[True] = True
    receipt: ReceiptAnswer


def receipt_answer(receipt: DeletionReceipt) -> ReceiptAnswer:
    """The receipt as it is answered."""
    return ReceiptAnswer.model_validate(receipt.facts())
