"""The dialect of Text Embeddings Inference, and of Hugging Face's clients, which use ``/``.

Their servers have one model. Here ``?model=`` or a field ``model`` can choose another one.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, cast

from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from bindery.errors import InvalidValue
from bindery.faces.http import examples
from bindery.faces.http.bodies import RequestBody, check_fields, options_from
from bindery.faces.http.dialects import tokens
from bindery.faces.http.dialects.base import (
    Dialect,
    EmbedAnswer,
    EmbedRequest,
    Output,
    Parameters,
    RerankAnswer,
    RerankRequest,
    Translation,
)
from bindery.faces.http.dialects.inputs import (
    MAX_DOCUMENTS,
    MAX_TEXTS,
    inputs_of,
    roles_of,
    texts_of,
    truncation_of,
)
from bindery.faces.http.dialects.openai import INPUT, INPUT_KINDS
from bindery.options import VectorOptions
from bindery.types import DOCUMENT, Truncate
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.scoring import mean_maxsim

MODEL_PARAMETER: Mapping[str, object] = {
    "name": "model",
    "in": "query",
    "required": False,
    "description": "The default is that of the server.",
    "schema": {"type": "string"},
}
_EMBEDDING: examples.Variants = {
    "Two texts": {},
    "A question": {"inputs": examples.QUESTION, "prompt_name": "query", "truncate": True},
}
_COMPARING: examples.Variants = {
    "A text, and two to compare it with": {
        "inputs": {"source_sentence": examples.QUESTION, "sentences": examples.TEXTS}
    }
}
_TEXTS: JsonDict = {"items": {"type": "string"}, "maxItems": MAX_DOCUMENTS}


class TeiBody(RequestBody):
    """The fields of all requests."""

    additions = frozenset(("model",))

    model: str = Field("", max_length=200, description="The default is that of the server.")
    truncate: bool = Field(default=False, description="Cut long texts; otherwise they are refused.")
    truncation_direction: str = Field(
        "right",
        description="The side to cut: left or right.",
        json_schema_extra={"enum": ["left", "right", "Left", "Right"]},
    )

    @property
    def to_truncate(self) -> Truncate:
        """What to do with long texts."""
        side = truncation_of(
            self.truncation_direction, default=Truncate.END, param="truncation_direction"
        )
        return side if self.truncate else Truncate.ERROR


class EmbedBody(TeiBody):
    """Texts to embed. ``normalize`` is ignored: vectors keep the length that the model gives."""

    additions = TeiBody.additions | {"dimensions", "encoding_format"}

    inputs: Any = Field(
        description="A text or token ids of the model, or a list of either.",
        json_schema_extra=INPUT,
    )
    prompt_name: str = Field(
        DOCUMENT, max_length=100, description="`query`, `document`, or a task of the model."
    )
    dimensions: int | None = Field(None, description="Shorter vectors, if the model supports it.")
    encoding_format: Literal["float", "base64"] = "float"


class RootBody(EmbedBody):
    """Texts to embed, or a `source_sentence` and `sentences` to compare."""

    inputs: Any = Field(
        description="A text or a list of texts; or a `source_sentence` and `sentences` to "
        "compare it with.",
        json_schema_extra={"anyOf": [*INPUT_KINDS, {"type": "object"}]},
    )
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])


class SimilarityBody(TeiBody):
    """A text, and texts to compare it with."""

    inputs: dict[str, Any] = Field(
        description="A `source_sentence`, and the `sentences` to compare it with.",
        json_schema_extra={
            "properties": {
                "source_sentence": {"type": "string"},
                "sentences": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["source_sentence", "sentences"],
        },
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="truncate, truncation_direction and prompt_name.",
    )


class TeiRerankBody(TeiBody):
    """Texts to order by how well they answer a query."""

    additions = TeiBody.additions | {"top_n"}

    query: str
    texts: list[Any] = Field(json_schema_extra=_TEXTS)
    raw_scores: bool = Field(
        default=False, description="Return the model's own scores instead of scores in [0, 1]."
    )
    return_text: bool = False
    top_n: int | None = Field(None, ge=1)


class TeiRank(BaseModel):
    """The score of a text; ``index`` is its position in the request."""

    index: int = Field(examples=[1])
    score: float = Field(examples=[0.7582])
    text: str | None = None


def _read(body: EmbedBody, parameters: Parameters) -> EmbedRequest:
    return EmbedRequest(
        model=body.model or parameters.get("model", ""),
        inputs=inputs_of(body.inputs, "inputs"),
        options=options_from(body, VectorOptions, truncate=body.to_truncate),
        roles=roles_of(body.prompt_name),
        outputs=(Output(base64=body.encoding_format == "base64"),),
        is_of_model=True,
    )


def _read_each_token(body: EmbedBody, parameters: Parameters) -> EmbedRequest:
    return replace(_read(body, parameters), each_token=True)


def _read_similarity(body: SimilarityBody, parameters: Parameters) -> EmbedRequest:
    source, sentences = body.inputs.get("source_sentence"), body.inputs.get("sentences")
    if not isinstance(source, str) or not isinstance(sentences, list):
        raise InvalidValue(
            "inputs must have source_sentence and sentences.",
            remedy='Send {"source_sentence": "...", "sentences": ["..."]}.',
            param="inputs",
        )
    texts = texts_of(cast("list[Any]", sentences), "sentences", most=MAX_TEXTS - 1)
    told = {name: value for name, value in body.parameters.items() if value is not None}
    same = body.model_dump(include={"model", "truncate", "truncation_direction"})
    how = check_fields({**same, **told, "inputs": [source, *texts]}, EmbedBody)
    return replace(_read(how, parameters), compares=True)


def _read_root(body: RootBody, parameters: Parameters) -> EmbedRequest:
    """Texts to embed or to compare: Hugging Face's clients use one path for both."""
    if isinstance(body.inputs, dict):
        return _read_similarity(check_fields(body.model_dump(), SimilarityBody), parameters)
    return _read(body, parameters)


def _write(ask: EmbedRequest, answer: EmbedAnswer) -> Any:  # noqa: ANN401 - a bare list of vectors
    return answer.wire(ask.outputs[0])["embeddings"]


def _write_root(ask: EmbedRequest, answer: EmbedAnswer) -> Any:  # noqa: ANN401 - vectors, or numbers
    return (_write_similarity if ask.compares else _write)(ask, answer)


def _write_similarity(_: EmbedRequest, answer: EmbedAnswer) -> list[float]:
    """The similarity of the first text to each other: cosine, or MaxSim for several vectors."""
    found = answer.encoded.embeddings.normalised()
    ends = found.offsets
    first = Embeddings(found.rows[: ends[1]], ends[:2])
    others = Embeddings(found.rows[ends[1] :], ends[1:] - ends[1])
    return mean_maxsim(first, others)[0].tolist()


def _read_rerank(body: TeiRerankBody, parameters: Parameters) -> RerankRequest:
    return RerankRequest(
        model=body.model or parameters.get("model", ""),
        query=body.query,
        documents=texts_of(body.texts, "texts", most=MAX_DOCUMENTS),
        top_n=body.top_n,
        truncate=body.to_truncate,
        returns_documents=body.return_text,
        is_raw=body.raw_scores,
    )


def _write_rerank(ask: RerankRequest, answer: RerankAnswer) -> list[dict[str, Any]]:
    return [
        {
            "index": one.index,
            "score": one.score if ask.is_raw else (1 + one.normalised) / 2,
            **({"text": ask.documents[one.index]} if ask.returns_documents else {}),
        }
        for one in answer.found.ranked
    ]


_EMBED = Translation(
    paths=("/embed",),
    name="tei_embed",
    summary="Embed texts",
    about="Returns a plain list of vectors. Long texts are refused unless `truncate` is true. The "
    "header `x-bindery-truncated-tokens` counts the tokens that were cut.",
    body=EmbedBody,
    answer=list[list[float]],
    read=_read,
    write=_write,
    examples=_EMBEDDING,
    names={"texts": "inputs", "role": "prompt_name", "output": "encoding_format"},
    to_cut='"truncate": true',
    parameters=(MODEL_PARAMETER,),
)

TEI = Dialect(
    "Text Embeddings Inference",
    embeds=(
        _EMBED,
        replace(
            _EMBED,
            paths=("/embed_all",),
            name="tei_embed_all",
            summary="Embed every token",
            about="Returns a vector for each token of each text, for late interaction with any "
            "model. Special tokens and prompts have no vectors.",
            answer=list[list[list[float]]],
            read=_read_each_token,
            may_nest=True,
        ),
        replace(
            _EMBED,
            paths=("/similarity",),
            name="tei_similarity",
            summary="Compare texts",
            about="Returns the similarity of one text to each of the others: cosine, or MaxSim for "
            "late interaction.",
            body=SimilarityBody,
            answer=list[float],
            read=_read_similarity,
            write=_write_similarity,
            examples=_COMPARING,
            may_nest=True,
        ),
        replace(
            _EMBED,
            paths=("/",),
            name="hugging_face",
            summary="Embed or compare texts (Hugging Face)",
            about="For the tasks feature-extraction and sentence-similarity of Hugging Face's "
            "`InferenceClient`, with the URL of this server as its model.",
            body=RootBody,
            read=_read_root,
            write=_write_root,
            examples={**_EMBEDDING, **_COMPARING},
        ),
    ),
    reranks=(
        Translation(
            paths=("/rerank",),
            marks=frozenset({"texts"}),
            name="tei_rerank",
            summary="Rerank texts",
            about="Text Embeddings Inference's API if the documents are in `texts`. If they are in "
            "`documents`, the same as `POST /v1/rerank`.",
            body=TeiRerankBody,
            answer=list[TeiRank],
            read=_read_rerank,
            write=_write_rerank,
            examples={"Two texts": {}},
            names={"documents": "texts"},
            to_cut='"truncate": true',
            parameters=(MODEL_PARAMETER,),
        ),
    ),
    others=tokens.tei,
)
