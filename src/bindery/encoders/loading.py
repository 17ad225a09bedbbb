"""A model's folder in, an encoder that has proven its numbers out."""

from bindery.encoders.base import Encoder
from bindery.encoders.checks import check_precision
from bindery.encoders.dense import DenseEncoder
from bindery.encoders.late import LateEncoder
from bindery.encoders.selftest import self_test
from bindery.engines import Engine
from bindery.engines.selection import open_engine
from bindery.errors import BinderyError, InvalidValue
from bindery.models.layouts import Layout


def load_encoder(
    layout: Layout,
    *,
    precision: str = "auto",
    threads: int | None = None,
    engine: str = "auto",
    device: str = "auto",
    queue_tokens: int | None = None,
) -> Encoder:
    """Load a model and check its vectors against the reference's, where a reference is known.

    ``precision`` is a value of :class:`bindery.engines.Precision`; ``engine`` and ``device`` are as
    :func:`bindery.engines.selection.open_engine` has them; ``threads`` None means every core.
    ``queue_tokens`` is how many tokens may wait, None for any number: a service sets it, so that it
    turns requests away rather than make all of them wait; a program of one caller need not.
    Raises ModelBroken, UnsupportedModel, SelfTestFailed, and InvalidValue for a choice that there
    is not.
    """
    chosen = check_precision(layout, precision)
    if threads is not None and threads < 1:
        raise InvalidValue(f"{threads} threads cannot compute.", param="threads")
    body = open_engine(
        layout.body,
        precision=chosen,
        threads=threads,
        engine=engine,
        device=device,
    )
    try:
        encoder = encoder_over(layout, body, queue_tokens=queue_tokens)
    except BinderyError:
        body.close()
        raise
    try:
        self_test(encoder)
    except BinderyError:
        encoder.close()
        raise
    return encoder


def encoder_over(
    layout: Layout, engine: Engine, *, queue_tokens: int | None = None
) -> DenseEncoder | LateEncoder:
    """The encoder that a layout describes, over an engine that has its body; not self-tested."""
    encoder = DenseEncoder if layout.late is None else LateEncoder
    return encoder(layout, engine, queue_tokens=queue_tokens)
