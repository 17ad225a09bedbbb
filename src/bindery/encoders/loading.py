"""Load a model from its folder and run its self-test."""

from dataclasses import replace

from bindery.encoders.base import Encoder
from bindery.encoders.checks import check_precision
from bindery.encoders.dense import DenseEncoder
from bindery.encoders.late import LateEncoder
from bindery.encoders.selftest import self_test
from bindery.engines import Engine
from bindery.engines.selection import open_engine
from bindery.errors import BinderyError
from bindery.models.layouts import Layout
from bindery.options import ModelOptions


def load_encoder(
    layout: Layout,
    options: ModelOptions = ModelOptions(),
    *,
    queue_tokens: int | None = None,
) -> Encoder:
    """Load a model, and compare its vectors with those of the reference if they are known.

    ``queue_tokens`` is how many tokens may wait, None for no limit: a service should set it, so
    that it refuses requests instead of letting all of them wait. Raises ModelBroken,
    UnsupportedModel, SelfTestFailed, and InvalidValue for an unknown option.
    """
    precision = check_precision(layout, options.precision)
    body = open_engine(layout.body, replace(options, precision=precision))
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
    """The encoder for a layout and an engine with its body, without a self-test."""
    encoder = DenseEncoder if layout.late is None else LateEncoder
    return encoder(layout, engine, queue_tokens=queue_tokens)
