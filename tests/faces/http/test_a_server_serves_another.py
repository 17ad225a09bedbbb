"""A remote model may be another Bindery: its `/v1` gives the vectors of the model itself."""

import numpy as np
import pytest

from bindery.encoders.remote import load_remote
from bindery.errors import TextTooLong, VendorRefused
from bindery.library import Library
from bindery.models.card import Family, ModelCard, RemoteEntry
from bindery.models.endpoint import EncodingFormat, Endpoint, Vendor
from bindery.options import ModelOptions

TEXTS = ["Loose paper is lost.", "Bound paper is kept.", "", "糊", "x " * 300]


def _entry(server: str, *, model: str = "vanilla", dimensions: int = 384, **how: object):
    return RemoteEntry(
        ModelCard(
            id="far",
            family=Family.DENSE,
            dimensions=dimensions,
            max_tokens=256,
            pooling=(),
            normalised=True,
        ),
        Endpoint(Vendor.OPENAI, f"{server}/v1", model, **how),
    )


@pytest.fixture(scope="module")
def local(home):
    library = Library(home, ModelOptions(precision="f32"))
    yield library.encoder("vanilla")
    library.close()


@pytest.mark.parametrize("encoding_format", EncodingFormat)
@pytest.mark.parametrize("texts_per_request", [2, None])
@pytest.mark.parametrize("role", ["query", "document"])
def test_vectors_are_those_of_the_model(server, local, encoding_format, texts_per_request, role):
    row = _entry(
        server,
        sends_role=True,
        encoding_format=encoding_format,
        texts_per_request=texts_per_request,
        extra={"truncate": "end"},
    )
    remote = load_remote(row)
    encoded = remote.encode_counted(TEXTS, role)
    remote.close()
    expected = local.encode_counted(TEXTS, role)
    assert np.abs(encoded.embeddings.rows - expected.embeddings.rows).max() < 1e-6
    assert encoded.tokens_billed == expected.tokens_used.sum()


def test_what_the_other_refuses_is_told(server):
    remote = load_remote(_entry(server))
    assert len(remote.encode(["short"], "query")) == 1
    with pytest.raises(TextTooLong, match=r"text 0 as too long: .*reads 256"):
        remote.encode(["x " * 300], "query")
    remote.close()

    remote = load_remote(_entry(server, model="nobody"))
    with pytest.raises(VendorRefused, match="answers 404 to text 0: There is no model 'nobody'"):
        remote.encode(["a"], "query")
    remote.close()
