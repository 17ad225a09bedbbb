"""``bindery rotate``: fit rotations on documents or on vectors, list and delete them."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from bindery.errors import BinderyError, InvalidValue, StorageError
from bindery.faces.cli.exits import described
from bindery.faces.cli.inputs import Inputs, find_inputs
from bindery.faces.cli.options import FitArguments
from bindery.faces.cli.printing import (
    count,
    messages,
    new_table,
    output,
    print_error,
    print_json,
    print_warning,
    printable,
)
from bindery.faces.python import open_library
from bindery.jobs import JobRequest
from bindery.jobs.reading import OF_A_FILE, Cutter
from bindery.jobs.recipe import check_request, make_recipe
from bindery.jobs.sources import LocalFiles
from bindery.library import Library
from bindery.models.card import ModelCard
from bindery.options import ChunkOptions
from bindery.settings import Settings
from bindery.store.values import JobFileRow
from bindery.vectors import load
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.reading import SUFFIXES, read_about
from bindery.vectors.rotation import Rotation, energy_of

# Of 384 dimensions these are 256, 192, 128, 96 and 64.
_PARTS = (2 / 3, 1 / 2, 1 / 3, 1 / 4, 1 / 6)
_BATCH_TEXTS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """The full vectors of some texts, chosen from ``texts`` texts."""

    embeddings: Embeddings
    texts: int
    card: ModelCard


@dataclass(slots=True)
class _Failures:
    """Errors and warnings of files, shown as they occur."""

    failed: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    warnings: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def fail(self, file: str, error: BinderyError) -> None:
        """Note and show the error of a file."""
        self.failed.append({"file": file, **described(error)})
        print_error(error)

    def warn(self, file: str, warnings: Sequence[str]) -> None:
        """Note and show the warnings of a file."""
        for message in warnings:
            self.warnings.append({"file": file, "message": message})
            print_warning(message, about=file)


def fit(settings: Settings, job: FitArguments, chunks: ChunkOptions) -> bool:
    """Fit a rotation and save it; whether every file could be read."""
    started = time.monotonic()
    failures = _Failures()
    with closing(open_library(settings)) as library:
        library.rotations.check_free(job.name)
        given = [Path(file).suffix.lower() in SUFFIXES for file in job.files]
        if any(given) and not all(given):
            raise InvalidValue(
                "Some of the files are documents and some are vectors.",
                remedy="Give either documents, or files that bindery embed wrote.",
                param="files",
            )
        if all(given):
            sample = _of_vectors(job, library)
        else:
            sample = _of_texts(job, chunks, settings, library, failures)
        card = sample.card
        rotation = Rotation.fit(sample.embeddings, model=card.id, revision=card.revision)
        library.rotations.save(job.name, rotation)
    kept = _kept(energy_of(sample.embeddings), rotation.energy)
    seconds = time.monotonic() - started
    if job.json:
        failed = {"failed": failures.failed, "warnings": failures.warnings}
        texts = {"texts": sample.texts, "texts_sampled": len(sample.embeddings)}
        facts = {"name": job.name, **rotation.facts, **texts, "energy_kept": kept}
        print_json({**facts, **failed, "seconds": round(seconds, 3)})
    else:
        _print_kept(kept)
        of = f" of {sample.texts:,}" if sample.texts > len(sample.embeddings) else ""
        output().print(
            f"Fitted on {len(sample.embeddings):,}{of} texts, {seconds:.1f} s: saved as {job.name}",
            soft_wrap=True,
        )
    return not failures.failed


def show(settings: Settings, *, json: bool) -> None:
    """List the rotations, and those whose files are broken."""
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
        facts = [{"name": name, **rotation.facts} for name, rotation in rotations]
        print_json({"rotations": facts, "broken": failed})
        return
    if not rotations and not broken:
        output().print("There are no rotations yet. Fit one with bindery rotate fit.")
    if rotations:
        table = new_table("name", "model", "dimensions", "fitted on", "digest")
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


def _of_texts(
    job: FitArguments,
    chunks: ChunkOptions,
    settings: Settings,
    library: Library,
    failures: _Failures,
) -> _Sample:
    """A sample of texts is chosen first, because embedding takes most of the time."""
    inputs = find_inputs(job.files)
    request = JobRequest(tuple(inputs.files), job.model, chunks, lines=job.lines)
    check_request(library, request)
    cutter = Cutter(library, make_recipe(library, request))
    chosen, texts = _choose(_texts(inputs, inputs.source(settings), cutter, job, failures), job)
    if not chosen:
        raise InvalidValue("There is no text to fit a rotation on.", param="files")
    firsts = range(0, len(chosen), _BATCH_TEXTS)
    shown = track(firsts, "embedding", console=messages(), transient=True, disable=job.json)
    parts: list[Embeddings] = []
    for first in shown:
        _, encoded = library.embed(job.model, chosen[first : first + _BATCH_TEXTS])
        parts.append(encoded.embeddings)
    return _Sample(Embeddings.joined(parts), texts, library.encoder(job.model).card)


def _texts(
    inputs: Inputs, source: LocalFiles, cutter: Cutter, job: FitArguments, failures: _Failures
) -> Iterator[str]:
    """The texts of all files, with their contexts."""
    for place, name in enumerate(inputs.files):
        file = JobFileRow(place, name, *source.look(name))
        try:
            for part in cutter.cut(file, source.open(name, lines=job.lines)):
                if part.part == 0:
                    failures.warn(name, part.chunk_set.warnings)
                yield from (chunk.context + chunk.text for chunk in part.chunks)
        except OF_A_FILE as error:
            failures.fail(name, error)


def _choose(texts: Iterator[str], job: FitArguments) -> tuple[list[str], int]:
    """At most ``job.sample`` texts, chosen uniformly with a fixed seed, and the number of all.

    Reservoir sampling (Vitter, 1985, algorithm R) does not hold all texts in memory.
    """
    chance = np.random.default_rng(0)
    chosen: list[str] = []
    seen = 0
    for seen, text in enumerate(texts, start=1):
        if len(chosen) < job.sample:
            chosen.append(text)
        elif (index := int(chance.integers(seen))) < job.sample:
            chosen[index] = text
    return chosen, seen


def _of_vectors(job: FitArguments, library: Library) -> _Sample:
    model = job.model
    card = library.entry(model).card
    parts = [_full_vectors(Path(file), card) for file in job.files]
    embeddings = Embeddings.joined(parts)
    texts = len(embeddings)
    if texts > job.sample:
        chosen = np.random.default_rng(0).choice(texts, job.sample, replace=False)
        rows = [embeddings[int(text)] for text in chosen]
        embeddings = Embeddings.ragged(rows, embeddings.width)
    return _Sample(embeddings, texts, card)


def _full_vectors(path: Path, card: ModelCard) -> Embeddings:
    """The vectors of a file, if they are the model's own: not cut, not rotated, not bits."""
    vectors = load(path)
    about = read_about(path)
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
            f"The vectors in {str(path)!r} are binary, which is too coarse to fit a rotation.",
            remedy="Embed with --form float32, float16 or int8.",
            param="files",
        )
    return vectors.decoded()


def _kept(plain: np.ndarray[Any, Any], rotated: np.ndarray[Any, Any]) -> list[dict[str, float]]:
    """The share of energy that vectors keep when they are cut, by dimensions."""
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
    table = new_table("dimensions", "energy kept, plain", "rotated")
    for row in kept:
        table.add_row(str(row["dimensions"]), f"{row['plain']:.1%}", f"{row['rotated']:.1%}")
    output().print(table)
