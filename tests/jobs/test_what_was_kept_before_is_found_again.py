"""Homes of older versions: their keys, their jobs and the recipes of their results."""

from bindery.jobs import JobRequest
from bindery.jobs.recipe import Recipe
from bindery.options import ChunkOptions, VectorOptions
from bindery.types import Chunk, Span

# As version 0.1.0 wrote them down before options were values.
FACTS = {
    "owner": "me",
    "bindery": "0.1",
    "model": "vanilla",
    "revision": "r" * 40,
    "precision": "f32",
    "strategy": "recursive",
    "size": 30,
    "overlap": 5,
    "context": "headings",
    "parent_size": None,
    "role": "document",
    "dimensions": 384,
    "cut_to": None,
    "rotation": None,
    "rotation_digest": None,
    "has_many_vectors": False,
}
LATE = {"strategy": "late", "context": "none", "dimensions": 64, "cut_to": 64}
PARENTS = {"strategy": "parent-child", "parent_size": 60, "dimensions": 100, "cut_to": 100}
ROTATED = {"rotation": "rot", "rotation_digest": "d" * 64}
KEYS = [
    (FACTS, "24c5c44d6b57934c", "f42573769b16535e"),
    (FACTS | LATE, "fe1656a79d358275", "316467f5cf614f75"),
    (FACTS | PARENTS | ROTATED, "5ab3efe88b77374b", "c6ce4919cb797fb4"),
]


def test_chunks_and_vectors_have_the_keys_that_they_had() -> None:
    chunks = [Chunk(Span(0, 3), "oak", 1, context="x")]
    for facts, of_chunks, of_vector in KEYS:
        recipe = Recipe.from_facts(facts)
        assert recipe.chunks_key("c", "n").hex()[:16] == of_chunks
        assert recipe.vector_keys(chunks, "doc")[0].hex()[:16] == of_vector
        assert Recipe.from_facts(recipe.facts()) == recipe


def test_a_request_that_lacks_newer_options_has_their_defaults() -> None:
    facts = {name: FACTS[name] for name in ("model", "strategy", "size", "overlap", "role")}
    request = JobRequest.from_facts({"files": ["a"], **facts, "form": "int8"})
    options = ChunkOptions(size=30, overlap=5), VectorOptions(form="int8")
    assert request == JobRequest(("a",), "vanilla", *options)
    assert JobRequest.from_facts(request.facts()) == request
