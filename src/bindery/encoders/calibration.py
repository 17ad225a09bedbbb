"""Prepare a model for int8: run texts through it and store the measurements next to its files."""

from functools import partial
from importlib.resources import files

import numpy as np

from bindery.encoders.loading import encoder_over
from bindery.engines.openvino import ObservingEngine
from bindery.engines.quantisation import Calibration, observe_corrections, observe_ranges
from bindery.engines.weights import Tensor
from bindery.errors import BinderyError, ModelBroken, ModelMissing
from bindery.models.layouts import Layout
from bindery.types import Truncate


def calibrate(layout: Layout, *, threads: int | None = None) -> bool:
    """Measure the calibration of a model and store it next to its files, unless it is there.

    Returns whether it was measured now. Raises UnsupportedModel for an architecture without an
    OpenVINO graph, ModelBroken if values are not finite, and StorageError.
    """
    engine = ObservingEngine(layout.body, observe_ranges, _widened, threads=threads)
    try:
        Calibration.read(layout.body, engine.fingerprint)
    except (ModelMissing, ModelBroken):
        ranges = _seen(layout, engine)
    else:
        engine.close()
        return False
    observe = partial(observe_corrections, ranges=ranges)
    engine = ObservingEngine(layout.body, observe, _averaged, threads=threads)
    corrections = _seen(layout, engine)
    try:
        Calibration(engine.fingerprint, ranges, corrections).write(layout.body)
    except ValueError as error:
        raise ModelBroken(
            f"{layout.card.id} cannot be prepared for int8: {error}.",
            remedy="The checkpoint is broken.",
        ) from error
    return True


def calibration_texts() -> list[str]:
    """Short and long texts of many kinds, and one that fills the window of most models.

    Values beyond the measured range are clipped, so variety matters more than quantity.
    """
    whole = (files("bindery.encoders") / "calibration.txt").read_text(encoding="utf-8")
    return [*whole.strip().split("\n\n"), whole]


def _seen(layout: Layout, engine: ObservingEngine) -> list[Tensor]:
    """What the engine observes on the texts, in every role of the model."""
    try:
        encoder = encoder_over(layout, engine)
    except BinderyError:
        engine.close()
        raise
    try:
        for role in layout.card.prompts:
            encoder.encode(calibration_texts(), role, truncate=Truncate.END)
    finally:
        encoder.close()
    return engine.seen


def _widened(old: Tensor, new: Tensor, part: float) -> Tensor:
    del part
    return np.stack([np.minimum(old[0], new[0]), np.maximum(old[1], new[1])])


def _averaged(old: Tensor, new: Tensor, part: float) -> Tensor:
    return (old + part * (new - old)).astype(np.float32)
