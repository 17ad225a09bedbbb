"""The examples in /docs, each of which works when sent, in the order of the routes."""

import hashlib
from typing import Annotated, Any, TypeAlias

from fastapi import Path
from pydantic import BaseModel

from bindery.faces.http.bodies import Body
from bindery.faces.http.shapes import ErrorAnswer

Responses: TypeAlias = dict[int | str, dict[str, Any]]

MODEL = "vanilla"
ROTATION = "papers"

NAME = "binding.md"
CONTENT = """# The binding of books

Loose paper is fragile and gets lost. Bound, it has a place on a shelf.

## The spine

A code on the spine says where the book stands.
"""
FILE_ID = hashlib.sha256(CONTENT.encode()).hexdigest()

FilePath = Annotated[str, Path(description="As the upload gave it.", examples=[FILE_ID])]
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
    "usage": {"prompt_tokens": 30, "total_tokens": 30},
}

CHUNKED = {
    "file_id": FILE_ID,
    "filename": NAME,
    "kind": "markdown",
    "strategy": "recursive",
    "model": MODEL,
    "size": 254,
    "overlap": 0,
    "total_chunks": 1,
    "total_characters": len(CONTENT),
    "warnings": [],
    "chunks": [
        {
            "index": 0,
            "start": 0,
            "end": len(CONTENT) - 1,
            "text": CONTENT[:-1],
            "tokens": 38,
            "truncated_tokens": 0,
            "page": None,
            "heading": "The binding of books",
        }
    ],
}

UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                },
                "examples": {
                    "markdown": {
                        "summary": "A small document",
                        "value": {"file": CONTENT},
                        "x-filename": NAME,
                    }
                },
            }
        },
    }
}

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


def answer(kind: type[BaseModel], example: object, description: str) -> Responses:
    """How /docs shows the answer of a route that writes its bytes itself."""
    content = {"application/json": {"example": example}}
    return {200: {"model": kind, "description": description, "content": content}}


def body(kind: type[Body], examples: object) -> dict[str, Any]:
    """How /docs shows the body of a route that reads it itself."""
    content = {"schema": kind.model_json_schema(), "examples": examples}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}
