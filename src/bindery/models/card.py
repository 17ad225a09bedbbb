"""What a model is, and where its files come from."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

from bindery.errors import InvalidValue
from bindery.models.endpoint import Endpoint

# Matches are used in paths, URLs and a requirements file, so no blank, "..", or leading dot.
_ID = re.compile(r"[a-z0-9](?:[._-]?[a-z0-9])*")
_REPOSITORY = re.compile(r"\w[\w-]*(?:\.[\w-]+)*/\w[\w-]*(?:\.[\w-]+)*", re.ASCII)
_REVISION = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FETCHED = re.compile(
    r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*\.(?:safetensors|json|txt|model|metadata)", re.ASCII
)
_PROJECT = re.compile(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?", re.ASCII)
_VERSION = re.compile(r"[0-9][\w.+!-]*", re.ASCII)


MULTILINGUAL = "multilingual"
"""The language of a model that is meant for many, without a list of them."""

# Written Norwegian has two forms, which models and stemmers do not tell apart.
_SAME_LANGUAGE = {"nb": "no", "nn": "no"}


class Family(StrEnum):
    """How a model turns a text into vectors."""

    DENSE = "dense"
    MATRYOSHKA = "matryoshka"
    LATE_INTERACTION = "late-interaction"


class Pooling(StrEnum):
    """How the hidden states of a text's tokens become its vectors.

    Named as in sentence-transformers.
    """

    MEAN = "mean"
    CLS = "cls"
    LAST = "lasttoken"
    MAX = "max"
    MEAN_SQRT = "mean_sqrt_len_tokens"
    WEIGHTED_MEAN = "weightedmean"
    TOKENS = "tokens"


class BeforeCut(StrEnum):
    """What a model does to its full vector before it is cut to fewer dimensions.

    ``LAYER_NORM`` is Nomic's: layer normalisation without weights over the full vector.
    """

    NOTHING = "nothing"
    LAYER_NORM = "layer_norm"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The description of a model, as its encoder reports it.

    ``dimensions`` is the width of its full vectors, and ``nested_dimensions`` the shorter ones that
    it was trained for (Matryoshka), in decreasing order. ``max_tokens`` includes special tokens and
    the prompt; ``query_max_tokens`` is the window of queries if it differs. ``pooling`` lists the
    poolings that are concatenated, mostly one; it is empty for a remote model. ``prompts`` are put
    before texts, by role. ``title_prompt`` is put before a document with a title, with ``{title}``
    as a placeholder; it is empty if the model does not support titles. ``languages`` are those that
    the model is meant for (ISO 639-1, or :data:`MULTILINGUAL`); empty if they are not known.
    ``revision`` is the commit of ``repository``, or the digest of a folder. ``size_mb`` is about
    how large its files are, in millions of bytes, and 0 if that is not known. ``purpose`` says in a
    few words what it is for.
    """

    id: str
    family: Family
    dimensions: int
    max_tokens: int
    pooling: tuple[Pooling, ...]
    normalised: bool = True
    nested_dimensions: tuple[int, ...] = ()
    before_cut: BeforeCut = BeforeCut.NOTHING
    query_max_tokens: int | None = None
    prompts: Mapping[str, str] = field(default_factory=dict[str, str])
    title_prompt: str = ""
    languages: tuple[str, ...] = ()
    repository: str = ""
    revision: str = ""
    licence: str = ""
    size_mb: int = 0
    purpose: str = ""

    def __post_init__(self) -> None:
        if self.dimensions < 1 or self.max_tokens < 3:
            raise InvalidValue(
                f"Model {self.id!r} cannot have {self.dimensions} dimensions and a window of "
                f"{self.max_tokens} tokens."
            )
        if self.title_prompt.count("{title}") != bool(self.title_prompt):
            raise InvalidValue(
                f"The title prompt of {self.id!r} must contain {{title}} once, got "
                f"{self.title_prompt!r}.",
                param="title_prompt",
            )
        expected = tuple(sorted(set(self.nested_dimensions), reverse=True))
        if self.nested_dimensions != expected or any(
            not 0 < size < self.dimensions for size in expected
        ):
            raise InvalidValue(
                f"The nested dimensions of {self.id!r} must decrease and be below "
                f"{self.dimensions}, got {self.nested_dimensions}."
            )


def supports(languages: Iterable[str], language: str) -> bool | None:
    """Whether a model with these languages is meant for one; None if that is not known."""
    named = {_SAME_LANGUAGE.get(one, one) for one in languages}
    if not named or not language:
        return None
    return named == {MULTILINGUAL} or _SAME_LANGUAGE.get(language, language) in named


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package on the Python package index that contains a model's files.

    ``folder`` is their folder in the wheel; ``sha256`` is the digest of the wheel itself.
    """

    name: str
    version: str
    sha256: str
    folder: str

    def __post_init__(self) -> None:
        if not _PROJECT.fullmatch(self.name) or not _VERSION.fullmatch(self.version):
            raise InvalidValue(
                f"{self.name!r} {self.version!r} is not the name and version of a package.",
                param="wheel",
            )
        if not _SHA256.fullmatch(self.sha256):
            raise InvalidValue(
                f"The SHA-256 of {self.name} must have 64 hex digits, got {self.sha256!r}.",
                param="wheel",
            )


@dataclass(frozen=True, slots=True)
class Release:
    """The files of a model at one commit, and their sources.

    ``files`` maps each path in the repository to its SHA-256, or to None if it is not known: then
    the first download records it in the lock file, and every later one must match. They are
    downloaded in this order, small ones first. ``optional`` files may be missing. ``mirrors`` are
    repositories with the same files: they are named in messages, but never downloaded from.
    """

    repository: str
    revision: str
    files: Mapping[str, str | None]
    gated: bool = False
    mirrors: tuple[str, ...] = ()
    wheel: Wheel | None = None
    optional: frozenset[str] = frozenset()

    @property
    def page(self) -> str:
        """The address of its page on the hub, where the terms of gated models are accepted."""
        return f"https://huggingface.co/{self.repository}"

    def __post_init__(self) -> None:
        for repository in (self.repository, *self.mirrors):
            if not _REPOSITORY.fullmatch(repository):
                raise InvalidValue(
                    f"A repository must be owner/name, got {repository!r}.", param="repository"
                )
        if not _REVISION.fullmatch(self.revision):
            raise InvalidValue(
                f"The revision of {self.repository} must have 40 hex digits, got "
                f"{self.revision!r}.",
                param="revision",
            )
        for path, digest in self.files.items():
            if not _FETCHED.fullmatch(path):
                raise InvalidValue(
                    f"{path!r} of {self.repository} cannot be fetched: only safetensors, JSON and "
                    "tokenizer files can.",
                    param="files",
                )
            if digest is not None and not _SHA256.fullmatch(digest):
                raise InvalidValue(
                    f"The SHA-256 of {path} of {self.repository} must have 64 hex digits, got "
                    f"{digest!r}.",
                    param="files",
                )
        if not self.files or not self.optional < set(self.files):
            raise InvalidValue(
                f"{self.repository} must have a file that is not optional.", param="files"
            )


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of texts that replace those of a late-interaction model, in tokens, all included.

    None keeps the model's own length.
    """

    query: int | None = None
    document: int | None = None

    @property
    def is_given(self) -> bool:
        """Whether there is any."""
        return self != Lengths()


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One row of the catalog: what a model is, and where its files are.

    ``verified``: the row was compared with the files themselves. ``lengths`` override those in the
    files, which the card has.
    """

    card: ModelCard
    release: Release
    verified: bool = False
    lengths: Lengths = Lengths()

    def __post_init__(self) -> None:
        _check_id(self.id)
        if not self.card.pooling:
            raise InvalidValue(f"Model {self.id!r} needs a pooling.", param="pooling")
        of_card = (self.card.repository, self.card.revision)
        of_release = (self.release.repository, self.release.revision)
        if of_card != of_release:
            raise InvalidValue(
                f"The card of {self.card.id!r} is from {'@'.join(of_card)}, but its files are from "
                f"{'@'.join(of_release)}."
            )

    @property
    def id(self) -> str:
        """What users call the model."""
        return self.card.id


@dataclass(frozen=True, slots=True)
class RemoteEntry:
    """One row of the catalog for a remote model, and its server."""

    card: ModelCard
    endpoint: Endpoint

    def __post_init__(self) -> None:
        _check_id(self.id)
        if self.card.pooling:
            raise InvalidValue(
                f"Model {self.id!r} is remote, so its row must not have a pooling.",
                param="pooling",
            )

    @property
    def id(self) -> str:
        """What users call the model."""
        return self.card.id


@dataclass(frozen=True, slots=True)
class FolderRow:
    """One row of the catalog for a model in a folder, whose files say the rest.

    ``changes`` replace fields of its card: the prompts by role, the others whole.
    """

    id: str
    folder: Path
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    lengths: Lengths = Lengths()

    def __post_init__(self) -> None:
        _check_id(self.id)


Entry: TypeAlias = CatalogEntry | RemoteEntry
"""A model of the catalog."""

Row: TypeAlias = Entry | FolderRow
"""One row of the catalog; a model in a folder becomes an entry when its files are read."""


def _check_id(model_id: str) -> None:
    # The id becomes a folder's name.
    if not _ID.fullmatch(model_id):
        raise InvalidValue(
            "The id of a model in the catalog must only have a-z, 0-9, '.', '_' and '-', got "
            f"{model_id!r}.",
            param="id",
        )
