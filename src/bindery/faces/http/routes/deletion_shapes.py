"""What deletions in collections answer, to a key that may not see all that is named."""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from fastapi import Request
from pydantic import BaseModel

from bindery.faces.http.services import collections_of, files_of, sees_job, services_of
from bindery.search.deleting import DeletionReceipt
from bindery.store.deletion import KeptIn, KeptText


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
    marks: int
    evaluations: int
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


class FilesRemovedAnswer(BaseModel):
    """The receipt of several files."""

    deleted: Literal[True] = True
    receipt: ReceiptAnswer


def receipt_answer(receipt: DeletionReceipt, request: Request) -> ReceiptAnswer:
    """The receipt, with those of the places that keep the text which the sender may see."""
    kept = tuple(one for one in receipt.kept if _sees(request, one))
    return ReceiptAnswer.model_validate(replace(receipt, kept=kept).facts())


def _sees(request: Request, kept: KeptText) -> bool:
    if kept.kind is KeptIn.STORED_FILE:
        return files_of(request).sees(kept.id)
    if kept.kind is KeptIn.JOB:
        return sees_job(request, services_of(request).jobs.get(kept.id))
    return collections_of(request).sees(kept.collection)
