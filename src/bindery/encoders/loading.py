"""A model's folder in, an encoder that has proven its numbers out."""

from bindery.encoders.base import Encoder
from bindery.encoders.checks import check_precision
from bindery.encoders.dense import DenseEncoder
from bindery.encoders.late import LateEncoder
from bindery.encoders.selftest import self_test
from bindery.engines import Engine
from bindery.engines.selection import open_engine
from bindery.errors import BinderyError, InvalidValue
from bindery.models.layout import Layout


def load_encoder(
    layout: Layout,
    *,
    precision: str = "auto",
    threads: int | None = None,
    engine: str = "auto",
    device: str = "auto",
) -> Encoder:
    """Load a model and check its vectors against the reference's, where a reference is known.

    ``precision`` is a value of :class:`bindery.engines.Precision`; ``engine`` and ``device`` are as
    :func:`bindery.engines.selection.open_engine` has them; ``threads`` None means every core.
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
        encoder = encoder_over(layout, body)
    except BinderyError:
        body.close()
        raise
    try:
        self_test(encoder)
    except BinderyError:
        encoder.close()
        raise
    return encoder


def encoder_over(layout: Layout, engine: Engine) -> DenseEncoder | LateEncoder:
    """The encoder that a layout describes, over an engine that has its body; not self-tested."""
    return DenseEncoder(layout, engine) if layout.late is None else LateEncoder(layout, engine)
