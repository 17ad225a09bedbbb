"""A model's folder in, an encoder that has proven its numbers out."""

from bindery.encoders.base import Encoder
from bindery.encoders.dense import DenseEncoder
from bindery.encoders.selftest import self_test
from bindery.engines import Precision
from bindery.errors import BinderyError, InvalidValue
from bindery.models.layout import Layout


def load_encoder(layout: Layout, *, precision: str = "auto", threads: int | None = None) -> Encoder:
    """Load a model and check its vectors against the reference's, where a reference is known.

    ``precision`` is a value of :class:`bindery.engines.Precision`; ``threads`` None means every
    core. Raises ModelBroken, UnsupportedModel, SelfTestFailed, and InvalidValue for a precision or
    number of threads that there is not.
    """
    # Loading the runtime takes a tenth of a second, which commands that need no model save.
    from bindery.engines.openvino import OpenVinoEngine

    if precision not in list(Precision):
        raise InvalidValue(
            f"There is no precision {precision!r}.",
            remedy=f"Choose one of: {', '.join(Precision)}.",
            param="precision",
        )
    if threads is not None and threads < 1:
        raise InvalidValue(f"{threads} threads cannot compute.", param="threads")
    engine = OpenVinoEngine(layout.body, precision=Precision(precision), threads=threads)
    try:
        encoder = DenseEncoder(layout, engine)
    except BinderyError:
        engine.close()
        raise
    try:
        self_test(encoder)
    except BinderyError:
        encoder.close()
        raise
    return encoder
