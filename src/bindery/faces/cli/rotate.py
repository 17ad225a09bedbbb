"""``bindery rotate``: rotations fitted on documents or on vectors that were made already."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from rich.progress import track
from rich.table import Table

from bindery.errors import InvalidValue, StorageError
from bindery.faces.cli import inputs
from bindery.faces.cli.embed import Tally, embedded
from bindery.faces.cli.exits import described
from bindery.faces.cli.inputs import Piece
from bindery.faces.cli.printing import count, messages, output, print_json, printable
from bindery.faces.python import open_library
from bindery.library import Library
from bindery.models.card import ModelCard
from bindery.options import ChunkOptions, VectorOptions
from bindery.settings import Settings
from bindery.types import Document
from bindery.vectors import load
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.rotation import Rotation, energy_of

# Of 384 dimensions these are 256, 192, 128, 96 and 64.
_PARTS = (2 / 3, 1 / 2, 1 / 3, 1 / 4, 1 / 6)


@dataclass(frozen=True, slots=True)
class Fit:
    """What ``bindery rotate fit`` was asked for; ``sample`` is the most texts that it looks at."""

    name: str
    files: Sequence[str]
    model: str
    chunks: ChunkOptions
    sample: int
    lines: bool
    json: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Full vectors of some texts, of how many they were chosen, and whose they are."""

    embeddings: Embeddings
    texts: int
    card: ModelCard


def fit(settings: Settings, job: Fit) -> bool:
    """Fit a rotation and keep it; whether every file could be read."""
    started = time.monotonic()
    tally = Tally(messages())
    with closing(open_library(settings)) as library:
        library.rotations.check_free(job.name)
        given = [Path(file).suffix.lower() in _ABOUT for file in job.files]
        if any(given) and not all(given):
            raise InvalidValue(
                "Some of the files are documents and some are vectors.",
                remedy="Give documents alone, or files that bindery embed wrote.",
                param="files",
            )
        if all(given):
            sample = _of_vectors(job, library)
        else:
            sample = _of_texts(job, settings, library, tally)
        card = sample.card
        rotation = Rotation.fit(sample.embeddings, model=card.id, revision=card.revision)
        library.rotations.save(job.name, rotation)
    kept = _kept(energy_of(sample.embeddings), rotation.energy)
    seconds = time.monotonic() - started
    if job.json:
        failed = {key: tally.facts()[key] for key in ("failed", "warnings")}
        texts = {"texts": sample.texts, "texts_sampled": len(sample.embeddings)}
        facts = {**_facts(job.name, rotation), **texts, "energy_kept": kept}
        print_json({**facts, **failed, "seconds": round(seconds, 3)})
    else:
        _print_kept(kept)
        of = f" of {sample.texts:,}" if sample.texts > len(sample.embeddings) else ""
        output().print(
            f"Fitted on {len(sample.embeddings):,}{of} texts, {seconds:.1f} s: kept as {job.name}",
            soft_wrap=True,
        )
    return not tally.failed


def show(settings: Settings, *, json: bool) -> None:
    """List the rotations; one whose file is broken is told, and the others are listed."""
    store = open_library(settings).rotations
    rotations: list[tuple[str, Rotation]] = []
    broken: list[tuple[str, StorageError]] = []
    for name in store.names():
        try:
            rotations.append((name, store.get(name)))
        except StorageError as error:
            broken.append((name, error))
    if json:
        failed = [{"name": name, "error": described(error)} for name, error in broken]
        print_json({"rotations": [_facts(*one) for one in rotations], "broken": failed})
        return
    if not rotations and not broken:
        output().print("There is no rotation yet: bindery rotate fit makes one.")
    if rotations:
        table = _table("name", "model", "dimensions", "fitted on", "digest")
        for name, rotation in rotations:
            fitted_on = count(rotation.fitted_on, "vector")
            digest = rotation.digest[:12]
            table.add_row(name, printable(rotation.model), str(rotation.width), fitted_on, digest)
        output().print(table)
    for name, error in broken:
        output().print(f"{name}: {printable(str(error))}", soft_wrap=True)


def delete(settings: Settings, name: str, *, json: bool) -> None:
    """Delete a rotation."""
    open_library(settings).rotations.delete(name)
    if json:
        print_json({"deleted": name})
    else:
        output().print(f"{name} is deleted.")


def _of_texts(job: Fit, settings: Settings, library: Library, tally: Tally) -> _Sample:
    """Chosen before they are embedded, which is what takes the time."""
    # Wrong options are reported before any file is read.
    encoder, _ = library.embed(job.model, [])
    library.chunk(Document("", "text", ""), job.chunks, model_id=job.model)
    pieces = inputs.pieces_of(job.files, _reader(job, settings, library, tally), tally.fail)
    chosen, texts = _choose(pieces, job.sample)
    batches = embedded(iter(chosen), library, job.model, VectorOptions())
    shown = track(batches, "embedding", console=tally.console, transient=True, disable=job.json)
    parts = [batch.encoded.embeddings for batch in shown]
    if not parts:
        raise InvalidValue("There is no text to fit a rotation on.", param="files")
    return _Sample(_joined(parts), texts, encoder.card)


def _reader(
    job: Fit, settings: Settings, library: Library, tally: Tally
) -> Callable[[str], Iterator[Piece]]:
    if job.lines:
        return lambda file: inputs.read_lines(file, library, job.model)
    return lambda file: inputs.read_chunks(
        file,
        library,
        job.model,
        job.chunks,
        timeout_s=settings.parse_timeout_s,
        warn=tally.warn,
    )


def _choose(pieces: Iterator[Piece], most: int) -> tuple[list[Piece], int]:
    """At most so many of all, each as likely as any other, the same ones every time.

    Reservoir sampling (Vitter, 1985, algorithm R): the texts need not be held to be counted.
    """
    chance = np.random.default_rng(0)
    chosen: list[Piece] = []
    seen = 0
    for seen, piece in enumerate(pieces, start=1):
        if len(chosen) < most:
            chosen.append(piece)
        elif (place := int(chance.integers(seen))) < most:
            chosen[place] = piece
    return chosen, seen


def _of_vectors(job: Fit, library: Library) -> _Sample:
    model = job.model
    # What is not in the catalog has no card, but an error that says so.
    card = (library.catalog.get(model) or library.status(model)).card
    parts = [_full_vectors(Path(file), card) for file in job.files]
    embeddings = _joined(parts)
    texts = len(embeddings)
    if texts > job.sample:
        chosen = np.random.default_rng(0).choice(texts, job.sample, replace=False)
        rows = [embeddings[int(text)] for text in chosen]
        embeddings = Embeddings.ragged(rows, embeddings.width)
    return _Sample(embeddings, texts, card)


def _full_vectors(path: Path, card: ModelCard) -> Embeddings:
    """The vectors of a file, if they are the model's own: not cut, not turned, not bits."""
    vectors = load(path)
    about = _ABOUT[path.suffix.lower()](path)
    expected = {
        "model": card.id,
        "revision": card.revision,
        "dimensions": card.dimensions,
        "rotation": None,
    }
    for fact, value in expected.items():
        if about.get(fact) != value:
            raise InvalidValue(
                f"The vectors in {str(path)!r} have {fact} {about.get(fact)!r}; a rotation of "
                f"{card.id} is fitted on {value!r}.",
                remedy="Embed with the model itself, at full length and without a rotation.",
                param="files",
            )
    if vectors.form.is_bits:
        raise InvalidValue(
            f"The vectors in {str(path)!r} are bits, which tell too little of them.",
            remedy="Embed with --form float32, float16 or int8.",
            param="files",
        )
    return vectors.decoded()


def _about_npz(path: Path) -> Mapping[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        return orjson.loads(str(arrays["metadata"]))


def _about_parquet(path: Path) -> Mapping[str, Any]:
    from arro3.io import read_parquet

    return orjson.loads(read_parquet(path).schema.metadata_str["bindery"])


_ABOUT: Mapping[str, Callable[[Path], Mapping[str, Any]]] = {
    ".npz": _about_npz,
    ".parquet": _about_parquet,
}
"""What made the vectors of a file, by its suffix."""


def _joined(parts: Sequence[Embeddings]) -> Embeddings:
    ends = [np.diff(part.offsets) for part in parts]
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(ends))]).astype(np.int64)
    return Embeddings(np.concatenate([part.rows for part in parts]), offsets)


def _kept(plain: np.ndarray[Any, Any], rotated: np.ndarray[Any, Any]) -> list[dict[str, float]]:
    """The share of energy that a cut keeps, by dimensions."""
    sizes = sorted({max(1, round(part * len(plain))) for part in _PARTS}, reverse=True)
    return [
        {
            "dimensions": size,
            "plain": round(float(plain[:size].sum()), 4),
            "rotated": round(float(rotated[:size].sum()), 4),
        }
        for size in sizes
    ]


def _print_kept(kept: Sequence[Mapping[str, float]]) -> None:
    table = _table("dimensions", "energy kept, plain", "rotated")
    for row in kept:
        table.add_row(str(row["dimensions"]), f"{row['plain']:.1%}", f"{row['rotated']:.1%}")
    output().print(table)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table


def _facts(name: str, rotation: Rotation) -> dict[str, Any]:
    return {
        "name": name,
        "model": rotation.model,
        "revision": rotation.revision,
        "dimensions": rotation.width,
        "fitted_on": rotation.fitted_on,
        "digest": rotation.digest,
    }
