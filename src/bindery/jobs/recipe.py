"""The recipe of chunks and vectors, and the keys under which they are stored.

A key is the SHA-256 of everything that chunks or a vector depend on, so nothing is computed twice.
Owners share nothing, because the speed of a job would show one of them what another one has.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

from bindery import __version__
from bindery.encoders.checks import check_dimensions, check_options, prompts_of
from bindery.encoders.request import has_title_slot
from bindery.errors import ModelBroken, ModelMissing, UnknownModel
from bindery.jobs.values import JobRequest
from bindery.library import Library
from bindery.models.card import Family, RemoteEntry
from bindery.options import ChunkOptions, VectorOptions, names_of
from bindery.types import Chunk, Document, Truncate


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything apart from the file that chunks and vectors depend on, with defaults filled in.

    ``bindery`` is the version of Bindery. With ``lines``, ``chunks`` is not used; otherwise it has
    a size. ``vectors.dimensions`` is None if vectors are not cut; ``dimensions`` is their length.
    Keys contain the digest of a rotation instead of its name, which may be used again.

    A model in a folder has an id in one process only: ``folder`` finds it again, and ``loaded_as``
    is its id in this process. ``languages`` are those of the model's card. With
    ``title_slot``, the context of a chunk is the title in the model's prompt.
    """

    owner: str
    bindery: str
    model: str
    repository: str
    revision: str
    precision: str
    chunks: ChunkOptions
    vectors: VectorOptions
    dimensions: int
    rotation_digest: str | None = None
    has_many_vectors: bool = False
    is_remote: bool = False
    lines: bool = False
    languages: tuple[str, ...] = ()
    title_slot: bool = False
    folder: str = ""
    loaded_as: str = field(default="", compare=False)

    def facts(self) -> dict[str, Any]:
        """The same for JSON; :meth:`from_facts` reads it back."""
        chunks, vectors = asdict(self.chunks), self.vectors
        return {
            **{name: getattr(self, name) for name in _FACTS},
            **(dict.fromkeys(chunks) if self.lines else chunks),
            "role": vectors.role,
            "cut_to": vectors.dimensions,
            "rotation": vectors.rotation,
            "title": vectors.title,
            "truncate": str(vectors.truncate),
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "Recipe":
        """The recipe with these facts. Older versions stored fewer of them."""
        facts = {**_BEFORE, **facts}
        cut_to = facts["cut_to"]
        vectors = VectorOptions(
            facts["role"],
            cut_to,
            cut_to is not None,
            facts["rotation"],
            facts["title"],
            facts["truncate"],
        )
        named = {name: facts[name] for name in names_of(ChunkOptions)}
        chunks = ChunkOptions() if facts["lines"] else ChunkOptions(**named)
        own = {name: facts[name] for name in _FACTS}
        own["languages"] = tuple(own["languages"])
        return cls(**own, chunks=chunks, vectors=vectors, loaded_as=own["model"])

    @property
    def model_name(self) -> str:
        """The name that finds the model in every process: its folder, or its id."""
        return self.folder or self.model

    @property
    def is_late(self) -> bool:
        """Whether the vector of a chunk depends on the whole document."""
        return self.chunks.is_late

    def chunks_key(self, content: str, name: str) -> bytes:
        """The key of the chunks of a file's content. Reading also depends on the name."""
        made_by = (self.owner, self.bindery, self.model, self.revision)
        how = ("lines",) if self.lines else astuple(self.chunks)
        return _digest("chunks", *made_by, *how, content, name)

    def vector_keys(self, chunks: Sequence[Chunk], document: str) -> list[bytes]:
        """The keys of the vectors of chunks; ``document`` is the SHA-256 of the whole text."""
        common = hashlib.sha256(repr(("vector", *self._made_by())).encode())
        # In late chunking the first and the last chunk of a document pool additional tokens.
        around = (document, self.bindery, self.chunks.size, self.chunks.overlap)
        keys: list[bytes] = []
        for chunk in chunks:
            where = (*around, chunk.span.start, chunk.span.end) if self.is_late else ()
            digest = common.copy()
            digest.update(f"{where!r}{chunk.context}{chunk.text}".encode())
            keys.append(digest.digest())
        return keys

    def _made_by(self) -> tuple[object, ...]:
        vectors = self.vectors
        made_by = (self.owner, self.model, self.revision, self.precision, vectors.role)
        cut = (self.is_late, self.dimensions, vectors.dimensions, self.rotation_digest)
        # Left out if they are the defaults, so that keys from before these options stay valid.
        rare = (vectors.title, str(vectors.truncate))
        slot = ("title slot",) * self.title_slot
        return (*made_by, *cut, *(() if rare == (None, "end") else rare), *slot)


_FACTS = (
    *("owner", "bindery", "model", "repository", "revision", "precision", "dimensions"),
    *("rotation_digest", "has_many_vectors", "is_remote", "lines", "languages", "folder"),
    "title_slot",
)

_BEFORE = {
    "repository": "",
    "is_remote": False,
    "lines": False,
    "languages": (),
    "title_slot": False,
    "folder": "",
    "title": None,
    "truncate": Truncate.END,
}
"""The values for recipes of older versions, which did not store these facts."""


def line_ids(name: str, first: int, chunks: Sequence[Chunk]) -> list[str]:
    """An id for each line of a file, which stays the same while the line and its index do.

    Counting equal lines, as :func:`chunk_ids` does, would take memory for each line of a file.
    """
    return [_digest("id", name, first + n, one.text).hex()[:32] for n, one in enumerate(chunks)]


def chunk_ids(name: str, chunks: Sequence[Chunk], seen: dict[bytes, int]) -> list[str]:
    """An id for each chunk of a file, which stays the same while the file has that text.

    ``seen`` counts equal chunks earlier in the file, because each of them has a different id.
    """
    ids: list[str] = []
    for chunk in chunks:
        key = _digest("id", name, chunk.context, chunk.text)
        seen[key] = count = seen.get(key, -1) + 1
        ids.append(_digest("id", key, count).hex()[:32])
    return ids


def text_digest(text: str) -> str:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def check_request(library: Library, request: JobRequest) -> None:
    """Raise the error of a request that cannot be carried out, apart from errors of files."""
    model, vectors = request.model, request.vectors
    if not request.lines:
        library.chunk(Document("", "text", ""), request.chunks, model_id=model)
    if _is_remote(library, model):
        with library.lend(model) as encoder:  # nothing is sent to the vendor
            card = encoder.card
        prompts_of(card, vectors.role, [""], [vectors.title] if vectors.title else None)
    else:
        card = library.measure(model).card
        library.room(model, vectors.role, title=vectors.title)
    if vectors.rotation is None:
        check_options(card, vectors)
        return
    rotation = library.rotations.get(vectors.rotation)
    rotation.check_model(card.id, card.revision, card.dimensions)
    check_dimensions(card, vectors.dimensions, any_dimensions=True)


def make_recipe(library: Library, request: JobRequest, owner: str = "") -> Recipe:
    """The recipe of a request. Loads the model."""
    wanted = request.vectors
    with library.lend(request.model) as encoder:
        card, precision = encoder.card, encoder.precision
    chunks = request.chunks
    if not request.lines:
        chunks = chunks.sized(library.room(request.model, wanted.role, title=wanted.title))
    # The form only matters when results are written. Dimensions were checked on submission.
    any_dimensions, form = wanted.dimensions is not None, VectorOptions().form
    return Recipe(
        owner=owner,
        bindery=__version__,
        model=card.id,
        repository=card.repository,
        revision=card.revision,
        precision=precision,
        chunks=chunks,
        vectors=replace(wanted, any_dimensions=any_dimensions, form=form),
        dimensions=wanted.dimensions or card.dimensions,
        rotation_digest=wanted.rotation and library.rotations.get(wanted.rotation).digest,
        has_many_vectors=card.family is Family.LATE_INTERACTION,
        is_remote=_is_remote(library, request.model),
        lines=request.lines,
        languages=card.languages,
        title_slot=has_title_slot(card, wanted),
        folder=library.folder_of(card.id),
        loaded_as=card.id,
    )


def open_recipe(library: Library, recipe: Recipe) -> Recipe:
    """A recipe that was stored, with the id that its model has in this process.

    Raises ModelMissing if the model is gone, and ModelBroken if it is another revision today.
    """
    try:
        folder = Path(recipe.folder)
        # A model of a row of the catalog may have been moved: its digest shows that it is the same.
        is_there = recipe.folder and folder.is_dir()
        model = library.find_folder(folder) if is_there else library.find(recipe.model)
    except UnknownModel as error:
        where = f" from {recipe.folder}" if recipe.folder else ""
        raise ModelMissing(
            f"The model {recipe.model!r} of the collection is gone{where}: {error.message}",
            remedy=f"Put it back, or {_REBUILD}",
            param="model",
        ) from error
    revision = library.entry(model).card.revision
    if revision != recipe.revision:
        raise ModelBroken(
            f"The collection has vectors of {recipe.model_name} at revision {recipe.revision}, but "
            f"the model is at revision {revision} now.",
            remedy=f"Put that revision back, or {_REBUILD}",
            param="model",
        )
    return replace(recipe, loaded_as=model)


_REBUILD = "rebuild the collection: bindery collections rebuild NAME --model MODEL."


def _is_remote(library: Library, model: str) -> bool:
    return isinstance(library.entry(model), RemoteEntry)


def _digest(*parts: object) -> bytes:
    # The reprs of two different lists of parts are never the same.
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).digest()
