"""The examples in /docs, each of which works when sent, in the order of the routes."""

import hashlib
from typing import Annotated, Any, TypeAlias

from fastapi import Path

from bindery.faces.http.bodies import RequestBody
from bindery.faces.http.routes.shapes import ErrorAnswer

Responses: TypeAlias = dict[int | str, dict[str, Any]]

MODEL = "vanilla"
ROTATION = "papers"

TAGS = [
    {"name": "files"},
    {"name": "chunks"},
    {"name": "jobs", "description": "Files to vectors, in the background, over restarts."},
    {"name": "embeddings"},
    {"name": "reranking"},
    {"name": "models"},
    {"name": "rotations"},
    {"name": "health"},
    {"name": "OpenAI", "description": "For its clients, and those of Voyage and Jina."},
    {"name": "Cohere", "description": "For its clients; they rerank at `/v2/rerank`, too."},
    {
        "name": "Text Embeddings Inference",
        "description": "For its clients, and those of Hugging Face. It knows one model a server: "
        f"here that is `{MODEL}`, unless `model` names another.",
    },
    {"name": "Ollama", "description": "For its clients, where they ask for embeddings."},
]
"""The groups of routes, in the order of /docs: ours, and then other servers' dialects."""

NAME = "binding.md"
CONTENT = """# The binding of books

Loose paper is fragile and gets lost. Bound, it has a place on a shelf.

## The spine

A code on the spine says where the book stands.
"""
FILE_ID = hashlib.sha256(CONTENT.encode()).hexdigest()

FilePath = Annotated[str, Path(description="As the upload gave it.", examples=[FILE_ID])]
OPENAI_FILE_ID = "file-3f0c9a5be1d24f6f8a7b6c5d"
JOB_ID = "job_5d1f0b0c9e2a4f7d8c6b5a49"
JobPath = Annotated[
    str, Path(description="As `POST /jobs` gave it.", examples=[JOB_ID], max_length=200)
]
RotationPath = Annotated[
    str, Path(description="The name of a rotation.", examples=[ROTATION], max_length=200)
]
ModelPath = Annotated[str, Path(description="The id of a model.", examples=[MODEL])]

_TEXTS = ["Loose paper is fragile and gets lost.", "A code on the spine says where it stands."]

GENERATE = {
    "texts": {"summary": "Two texts", "value": {"chunks": _TEXTS}},
    "chunks": {
        "summary": "Chunks as GET /chunk gives them",
        "value": {"chunks": [{"index": 0, "text": _TEXTS[0]}], "role": "document"},
    },
    "query": {
        "summary": "A question, in base64; refused if too long",
        "value": {
            "chunks": ["Where does a book stand?"],
            "role": "query",
            "encoding_format": "base64",
            "truncate": "error",
        },
    },
    "small": {
        "summary": "Eight bits for each value, with scales",
        "value": {"chunks": _TEXTS, "output_dtype": "int8"},
    },
    "smallest": {
        "summary": "One bit for each of the first 128 values",
        "value": {
            "chunks": _TEXTS,
            "dimensions": 128,
            "any_dimensions": True,
            "output_dtype": "ubinary",
        },
    },
}
GENERATED = {
    "model_id": MODEL,
    "revision": "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
    "precision": "f32",
    "total_chunks": 2,
    "dimensions": 384,
    "output_dtype": "float32",
    "rotation": None,
    "tokens_used": [10, 12],
    "tokens_cut": [0, 0],
    "embeddings": [[-0.1002, 0.0913, 0.0477], [-0.0281, 0.0138, -0.1123]],
}

EMBEDDINGS = {
    "text": {"summary": "One text", "value": {"model": MODEL, "input": _TEXTS[0]}},
    "texts": {
        "summary": "Several, in base64, as the OpenAI client asks",
        "value": {"model": MODEL, "input": _TEXTS, "encoding_format": "base64"},
    },
    "query": {
        "summary": "A question",
        "value": {"model": MODEL, "input": "Where does a book stand?", "input_type": "query"},
    },
    "small": {
        "summary": "One byte for each value, as vendors name it",
        "value": {"model": MODEL, "input": _TEXTS, "output_dtype": "int8"},
    },
}
EMBEDDED = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [-0.1002, 0.0913, 0.0477]}],
    "model": MODEL,
    "usage": {"prompt_tokens": 10, "total_tokens": 10},
    "revision": GENERATED["revision"],
    "precision": "f32",
    "dimensions": 384,
    "output_dtype": "float32",
    "rotation": None,
}

VOYAGE = {
    "voyage": {
        "summary": "As Voyage's client asks",
        "value": {"model": MODEL, "input": _TEXTS, "input_type": "query", "truncation": True},
    },
}
CONTEXTUALIZED = {
    "chunks": {
        "summary": "The chunks of two documents",
        "value": {"model": MODEL, "inputs": [_TEXTS, _TEXTS[:1]], "input_type": "document"},
    },
}
CONTEXTUALIZED_EMBEDDED = {
    **EMBEDDED,
    "data": [{"object": "list", "index": 0, "data": EMBEDDED["data"]}],
}
JINA = {
    "jina": {
        "summary": "As Jina's clients ask",
        "value": {"model": MODEL, "input": _TEXTS, "task": "retrieval.passage"},
    },
}

COHERE = {
    "texts": {
        "summary": "Two texts",
        "value": {"model": MODEL, "texts": _TEXTS, "input_type": "search_document"},
    },
    "types": {
        "summary": "In two forms",
        "value": {
            "model": MODEL,
            "texts": ["Where does a book stand?"],
            "input_type": "search_query",
            "embedding_types": ["int8", "base64"],
        },
    },
}
_COHERE_REST = {
    "id": "0e1c7f2a-8a52-4b0e-9d0f-0d6f1f5c2a11",
    "texts": _TEXTS[:1],
    "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 10}},
}
COHERE_EMBEDDED = {
    "response_type": "embeddings_by_type",
    "embeddings": {"float": [[-0.1002, 0.0913, 0.0477]]},
    **_COHERE_REST,
}
COHERE_EMBEDDED_1 = {
    "response_type": "embeddings_floats",
    "embeddings": [[-0.1002, 0.0913, 0.0477]],
    **_COHERE_REST,
    "meta": {"api_version": {"version": "1"}, "billed_units": {"input_tokens": 10}},
}

TEI = {
    "texts": {"summary": "Two texts", "value": {"inputs": _TEXTS}},
    "query": {
        "summary": "A question",
        "value": {"inputs": "Where does a book stand?", "prompt_name": "query", "truncate": True},
    },
}
SIMILARITY = {
    "similarity": {
        "summary": "A text, and two to compare it with",
        "value": {"inputs": {"source_sentence": "Where does a book stand?", "sentences": _TEXTS}},
    },
}
TEI_RERANK = {
    "texts": {
        "summary": "Two texts",
        "value": {"query": "Where does a book stand?", "texts": _TEXTS},
    },
}
TOKENIZE = {"text": {"summary": "A text", "value": {"inputs": "Loose paper"}}}
TOKENS = [
    [
        {"id": 101, "text": "[CLS]", "special": True, "start": None, "stop": None},
        {"id": 6065, "text": "Loose", "special": False, "start": 0, "stop": 5},
        {"id": 3259, "text": "paper", "special": False, "start": 6, "stop": 11},
        {"id": 102, "text": "[SEP]", "special": True, "start": None, "stop": None},
    ]
]
DECODE = {"ids": {"summary": "Two ids", "value": {"ids": [6065, 3259]}}}

COHERE_TOKENIZE = {"text": {"summary": "A text", "value": {"text": "Loose paper"}}}
COHERE_TOKENS = {"tokens": [6065, 3259], "token_strings": ["Loose", "paper"]}
COHERE_DETOKENIZE = {"ids": {"summary": "Two ids", "value": {"tokens": [6065, 3259]}}}

OLLAMA = {
    "text": {"summary": "A text", "value": {"model": MODEL, "input": _TEXTS[0]}},
    "texts": {
        "summary": "Two, refused if too long",
        "value": {"model": MODEL, "input": _TEXTS, "truncate": False},
    },
}
OLLAMA_EMBEDDED = {
    "model": MODEL,
    "embeddings": [[-0.1002, 0.0913, 0.0477]],
    "prompt_eval_count": 10,
}
OLLAMA_PROMPT = {"text": {"summary": "A text", "value": {"model": MODEL, "prompt": _TEXTS[0]}}}
SHOW = {"model": {"summary": "A model", "value": {"model": MODEL}}}

RERANK = {
    "texts": {
        "summary": "Two texts",
        "value": {"model": MODEL, "query": "Where does a book stand?", "documents": _TEXTS},
    },
    "best": {
        "summary": "The best one, given back",
        "value": {
            "model": MODEL,
            "query": "Where does a book stand?",
            "documents": [{"text": text} for text in _TEXTS],
            "top_n": 1,
            "return_documents": True,
        },
    },
}
RERANKED = {
    "model": MODEL,
    "revision": GENERATED["revision"],
    "precision": "f32",
    "results": [
        {"index": 1, "relevance_score": 0.5164, "normalised_score": 0.5164},
        {"index": 0, "relevance_score": 0.224, "normalised_score": 0.224},
    ],
    "data": [
        {"index": 1, "relevance_score": 0.5164},
        {"index": 0, "relevance_score": 0.224},
    ],
    "usage": {"prompt_tokens": 30, "total_tokens": 30},
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
            "truncated_tokens": 0,
            "truncated_start": None,
            "page": None,
            "heading": "The binding of books",
            "headings": ["The binding of books"],
            "parent": None,
        }
    ],
}

JOBS = {
    "plain": {"summary": "One file", "value": {"files": [FILE_ID]}},
    "small": {
        "summary": "Small chunks under their headings, in eight bits",
        "value": {
            "files": [FILE_ID],
            "model": MODEL,
            "strategy": "recursive",
            "size": 128,
            "context": "headings",
            "form": "int8",
        },
    },
}


def _upload(fields: dict[str, Any], beside: dict[str, str]) -> dict[str, Any]:
    """How /docs shows a multipart body of a file, and ``fields`` beside it."""
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
OPENAI_UPLOAD = _upload({"purpose": {"type": "string"}}, {"purpose": "user_data"})

ERRORS: Responses = {
    "default": {
        "model": ErrorAnswer,
        "description": "What is wrong, and what to do.",
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


def answer(kind: Any, example: object, description: str) -> Responses:  # noqa: ANN401 - a type
    """How /docs shows the answer of a route that writes its bytes itself, by its type."""
    content = {"application/json": {"example": example}}
    return {200: {"model": kind, "description": description, "content": content}}


def body(kind: type[RequestBody], examples: object) -> dict[str, Any]:
    """How /docs shows the body of a route that reads it itself."""
    content = {"schema": kind.model_json_schema(), "examples": examples}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}
