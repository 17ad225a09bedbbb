"""The examples in /docs, made from the models of bodies and answers. Each works when sent."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from fastapi import Path
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bindery.faces.http.bodies import RequestBody
from bindery.faces.http.routes.shapes import ErrorAnswer

Responses: TypeAlias = dict[int | str, dict[str, Any]]

Variants: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Examples of a body, by their summary: the fields that they have besides the required ones."""

MODEL = "vanilla"
ROTATION = "papers"
COLLECTION = "books"

TAGS = [
    {"name": "files"},
    {"name": "chunks"},
    {"name": "jobs", "description": "Embed files in the background. Jobs survive restarts."},
    {"name": "collections", "description": "Sets of files that are searched together."},
    {"name": "embeddings"},
    {"name": "reranking"},
    {"name": "models"},
    {"name": "rotations"},
    {"name": "health"},
    {"name": "operation", "description": "For the operator of the server, with the scope `admin`."},
    {"name": "OpenAI", "description": "For clients of OpenAI, Voyage and Jina."},
    {"name": "Cohere", "description": "For clients of Cohere, which can also use `/v2/rerank`."},
    {
        "name": "Text Embeddings Inference",
        "description": "For clients of Text Embeddings Inference and Hugging Face. Their servers "
        f"have one model; here it is `{MODEL}` unless `model` names another.",
    },
    {"name": "OpenAI vector stores", "description": "Collections, for clients of OpenAI."},
    {"name": "Dify", "description": "Collections as external knowledge."},
    {"name": "Open WebUI", "description": "Collections as an external web search."},
    {"name": "LibreChat", "description": "Files of chats, in place of its RAG API."},
    {"name": "Ollama", "description": "For clients of Ollama that request embeddings."},
]
"""The groups of routes in the order of /docs: our own, then those of other servers."""

NAME = "binding.md"
CONTENT = """# The binding of books

Loose paper is fragile and gets lost. Bound, it has a place on a shelf.

## The spine

A code on the spine says where the book stands.
"""
FILE_ID = hashlib.sha256(CONTENT.encode()).hexdigest()

FilePath = Annotated[str, Path(description="The id that the upload returned.", examples=[FILE_ID])]
OPENAI_FILE_ID = "file-3f0c9a5be1d24f6f8a7b6c5d"
STORE_ID = "vs_019b2f4c7a1e5d1f0b0c9e2a4f"
BATCH_ID = "vsfb_5d1f0b0c9e2a4f7d8c6b5a49"
KEY_ID = "5d1f0b0c"
PASSAGE_ID = "ba8cb9788ae0327382d3cff7ba32c4eb"
EVALUATION_ID = "eval_5d1f0b0c9e2a4f7d8c6b5a49"
JOB_ID = "job_5d1f0b0c9e2a4f7d8c6b5a49"
JobPath = Annotated[
    str, Path(description="The id that `POST /jobs` returned.", examples=[JOB_ID], max_length=200)
]
RotationPath = Annotated[
    str, Path(description="The name of a rotation.", examples=[ROTATION], max_length=200)
]
ModelPath = Annotated[str, Path(description="The id of a model.", examples=[MODEL])]

TEXTS = ["Loose paper is fragile and gets lost.", "A code on the spine says where it stands."]
QUESTION = "Where does a book stand?"
_VECTORS = [[-0.1002, 0.0913, 0.0477], [-0.0281, 0.0138, -0.1123]]

# What the required fields of bodies hold in examples, whichever dialect has them.
_SENT: Mapping[str, Any] = {
    "model": MODEL,
    **dict.fromkeys(("chunks", "documents", "input", "inputs", "texts"), TEXTS),
    "text": "Loose paper",
    "prompt": TEXTS[0],
    "query": QUESTION,
    "files": [FILE_ID],
    "file_ids": [FILE_ID],
    "file_id": FILE_ID,
    "knowledge_id": COLLECTION,
    "retrieval_setting": {"top_k": 5, "score_threshold": 0.1},
    "name": COLLECTION,
    "attributes": {"year": 2024, "tags": ["binding", "paper"]},
    "id": PASSAGE_ID,
    "ids": [6065, 3259],
    "tokens": [6065, 3259],
    "start": 0,
    "end": 40,
}

# What fields of answers hold in examples.
_RECEIVED: Mapping[str, Any] = {
    "model": MODEL,
    "model_id": MODEL,
    "revision": "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
    "precision": "f32",
    "dimensions": 384,
    "output_dtype": "float32",
    "rotation": None,
    "total_chunks": 2,
    "tokens_used": [10, 12],
    "tokens_cut": [0, 0],
    "embeddings": _VECTORS,
    "embedding": _VECTORS[0],
    **dict.fromkeys(("prompt_tokens", "total_tokens"), 10),
}

CHUNKED = {
    "file_id": FILE_ID,
    "filename": NAME,
    "kind": "markdown",
    "strategy": "recursive",
    "model": MODEL,
    "size": 128,
    "overlap": 0,
    "context": "none",
    "total_chunks": 1,
    "total_characters": len(CONTENT),
    "tokens_spent": 0,
    "warnings": [],
    "chunks": [
        {
            "index": 0,
            "start": 0,
            "end": len(CONTENT) - 1,
            "text": CONTENT[:-1],
            "context": "",
            "tokens": 38,
            "tokens_cut": 0,
            "cut_at": None,
            "page": None,
            "last_page": None,
            "heading": "The binding of books",
            "headings": ["The binding of books"],
            "parent": None,
        }
    ],
}

JOBS: Variants = {
    "One file": {},
    "Small chunks under their headings, in eight bits": {
        "model": MODEL,
        "strategy": "recursive",
        "size": 128,
        "context": "headings",
        "form": "int8",
    },
}

COLLECTIONS: Variants = {"The usual recipe": {}}
COLLECTION_CHANGES: Variants = {"Another name": {}, "A setting": {"weight": 0.5}}
REBUILDS: Variants = {"Smaller chunks": {"size": 64}}
ROLLBACKS: Variants = {"As it was": {}}
ADD_FILES: Variants = {"One file": {}, "With attributes": {"attributes": {"year": 2024}}}
ATTRIBUTES: Variants = {"Two attributes": {}}
RETRIEVALS: Variants = {
    "The best 5": {"knowledge_id": COLLECTION, "retrieval_setting": {"top_k": 5}},
}
LIBRECHAT_QUERIES: Variants = {"The best 3": {"file_id": "chat-1", "k": 3}}
LIBRECHAT_QUERIES_OF_SEVERAL: Variants = {"One of them": {"file_ids": ["chat-1"]}}
TOKENS: Variants = {"The first passage": {}}
WEB_SEARCHES: Variants = {"The best 3": {"count": 3}}
STORES: Variants = {"A name": {"name": COLLECTION}}
STORE_CHANGES: Variants = {"Words of its own": {"metadata": {"team": "red"}}}
STORE_FILES: Variants = {"One file": {"attributes": {"year": 2024}}}
STORE_BATCHES: Variants = {"One file": {"file_ids": [FILE_ID]}}
STORE_SEARCHES: Variants = {
    "A question": {},
    "On the first page": {"filters": {"type": "lte", "key": "page", "value": 1}},
}
EVALUATIONS: Variants = {
    "Four modes": {
        "questions": [{"question": QUESTION, "file": NAME}],
        "modes": ["hybrid", "dense", "lexical", "rrf"],
    },
}
WHY_NOTS: Variants = {"A file": {"file": NAME}, "Words of it": {"quote": "a place on a shelf"}}
MARKS: Variants = {"No answer": {"is_right": False}}
SEARCHES: Variants = {
    "A question": {},
    "Words, in recent files": {"mode": "lexical", "top": 5, "filter": "year >= 2020"},
    "A filter as JSON": {"filter": {"type": "eq", "key": "year", "value": 2024}},
}


def _upload(fields: dict[str, Any], beside: dict[str, str]) -> dict[str, Any]:
    """How /docs shows a multipart body with a file and other ``fields``."""
    schema = {
        "type": "object",
        "properties": {"file": {"type": "string", "format": "binary"}, **fields},
        "required": ["file", *fields],
    }
    shown = {
        "markdown": {
            "summary": "A small document",
            "value": {"file": CONTENT, **beside},
            "x-filename": NAME,
        }
    }
    content = {"multipart/form-data": {"schema": schema, "examples": shown}}
    return {"requestBody": {"required": True, "content": content}}


UPLOAD = _upload({}, {})
IMPORT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "model": {"type": "string"},
                    },
                    "required": ["file"],
                },
                "examples": {
                    "JSON lines": {
                        "value": {"file": '{"id": "oak", "text": "Oak lasts for centuries."}'},
                        "x-filename": "trees.jsonl",
                    }
                },
            }
        },
    }
}
LIBRECHAT_UPLOAD = _upload({"file_id": {"type": "string"}}, {"file_id": "chat-1"})
OPENAI_UPLOAD = _upload({"purpose": {"type": "string"}}, {"purpose": "user_data"})

ERRORS: Responses = {
    "default": {
        "model": ErrorAnswer,
        "description": "What is wrong, and how to fix it.",
        "content": {
            "application/json": {
                "example": {
                    "error": {
                        "message": "There is no model 'vanila'.",
                        "type": "invalid_request_error",
                        "param": "model",
                        "code": "unknown_model",
                        "remedy": "Known: vanilla, gemma, colbert.",
                    }
                }
            }
        },
    }
}


def answer(kind: Any, description: str, example: object = None) -> Responses:  # noqa: ANN401 - a type
    """How /docs shows the answer of a route that writes its bytes itself, by its type."""
    content = {"application/json": {"example": example or answer_example(kind)}}
    return {200: {"model": kind, "description": description, "content": content}}


def body(kind: type[RequestBody], variants: Variants) -> dict[str, Any]:
    """How /docs shows the body of a route that reads it itself."""
    content = {"schema": kind.model_json_schema(), "examples": body_examples(kind, variants)}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def body_examples(kind: type[RequestBody], variants: Variants) -> dict[str, Any]:
    """An example for each variant: the required fields of the body, and those of the variant."""
    fields = kind.model_fields
    required = {name: _SENT[name] for name, field in fields.items() if field.is_required()}
    return {
        summary: {"summary": summary, "value": {**required, **differing}}
        for summary, differing in variants.items()
    }


def answer_example(kind: Any) -> Any:  # noqa: ANN401 - a type, and a value of it
    """An example of an answer: fields by their own example, by their name, or by their type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {
            name: _field_example(name, field)
            for name, field in kind.model_fields.items()
            if field.is_required() or field.examples
        }
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        return _VECTORS[0] if item is float else [answer_example(item)]
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    return {int: 0, str: TEXTS[0]}[kind]


def _field_example(name: str, field: FieldInfo) -> Any:  # noqa: ANN401 - a value of its type
    if field.examples:
        return field.examples[0]
    return _RECEIVED[name] if name in _RECEIVED else answer_example(field.annotation)
