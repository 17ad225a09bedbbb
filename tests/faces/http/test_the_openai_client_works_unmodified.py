"""The `openai` package against a real server."""

from collections.abc import Iterator

import numpy as np
import openai
import pytest

from bindery.library import Library
from bindery.options import ModelOptions

TEXTS = ["Loose paper is lost.", "Bound paper is kept.", ""]


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def expected(home) -> np.ndarray:
    library = Library(home, ModelOptions(precision="f32"))
    rows = library.encoder("vanilla").encode(TEXTS, "document").rows
    library.close()
    return rows


@pytest.mark.parametrize("given", [{}, {"encoding_format": "float"}, {"dimensions": 384}])
def test_a_list_of_texts(client, expected, given):
    answer = client.embeddings.create(model="vanilla", input=TEXTS, **given)
    assert [item.index for item in answer.data] == [0, 1, 2]
    rows = np.float32([item.embedding for item in answer.data])
    assert np.abs(rows - expected).max() < 1e-6
    assert answer.model == "vanilla"
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 7 + 7 + 2


def test_a_single_text(client, expected):
    answer = client.embeddings.create(model="vanilla", input=TEXTS[0])
    assert np.abs(np.float32(answer.data[0].embedding) - expected[0]).max() < 1e-6


def test_extensions_go_in_the_extra_body(client):
    extra = {"input_type": "query", "truncate": "error"}
    assert client.embeddings.create(model="vanilla", input="x", extra_body=extra).data
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="vanilla", input="x " * 300, extra_body=extra)
    assert caught.value.code == "context_length_exceeded"


def test_other_forms_come_as_lists(client, expected):
    answer = client.embeddings.create(
        model="vanilla", input=TEXTS, encoding_format="float", extra_body={"output_dtype": "int8"}
    )
    scales = np.float32(answer.model_extra["scales"])
    rows = np.float32([item.embedding for item in answer.data]) * scales[:, None]
    assert np.abs(rows - expected).max() <= scales.max() / 2 + 1e-6


def test_errors_carry_code_param_and_request_id(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="vanilla", input="x", dimensions=100)
    assert (caught.value.code, caught.value.param) == ("invalid_value", "dimensions")
    assert caught.value.request_id

    with pytest.raises(openai.NotFoundError) as missing:
        client.embeddings.create(model="text-embedding-3-small", input="x")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")

    with pytest.raises(openai.APIStatusError) as unserved:
        client.embeddings.create(model="gemma", input="x")
    assert unserved.value.status_code == 424


def test_models_are_listed_and_retrieved(client):
    models = {model.id: model for model in client.models.list()}
    assert set(models) >= {"vanilla", "gemma", "colbert"}
    vanilla = client.models.retrieve("vanilla")
    assert (vanilla.object, vanilla.owned_by) == ("model", "sentence-transformers")
    assert vanilla.model_extra["dimensions"] == 384
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nobody/nothing")
    assert caught.value.code == "model_not_found"
