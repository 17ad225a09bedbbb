"""Retrievers for LangChain, LlamaIndex and Haystack; run by ``make test-retrievers``."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.homes import home_with

import bindery
from bindery.errors import InvalidValue, SourceError, UnknownCollection

pytest.importorskip("langchain_tests", reason="run by `make test-retrievers`")

from haystack import Pipeline
from haystack.utils import Secret
from langchain_tests.integration_tests import RetrieversIntegrationTests

from bindery.retrievers.haystack import HaystackRetriever
from bindery.retrievers.langchain import LangChainRetriever
from bindery.retrievers.llama_index import LlamaIndexRetriever

TEXTS = {f"{n}.txt": f"Oak number {n} stands in the wood." for n in range(5)}
QUERY = "Which oak stands in the wood?"
HERE: dict[str, str] = {}


@pytest.fixture(scope="module", autouse=True)
def shelf(server: str) -> Iterator[str]:
    """The address of a server with a collection."""
    HERE["address"] = server
    with httpx2.Client(base_url=server, timeout=60) as http:
        http.post("/collections", json={"name": "oaks"})
        for n, (name, text) in enumerate(TEXTS.items()):
            data = {"attributes": f'{{"n": {n}}}'}
            http.post("/collections/oaks/files", files={"file": (name, text)}, data=data)
        while http.get("/collections/oaks/files").json()["total_files"] < len(TEXTS):
            time.sleep(0.05)
        yield server
        http.delete("/collections/oaks")


class TestLangChain(RetrieversIntegrationTests):
    """The tests that LangChain publishes."""

    @property
    def retriever_constructor(self) -> type[LangChainRetriever]:
        return LangChainRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, object]:
        return {"collection": "oaks", **HERE}

    @property
    def retriever_query_example(self) -> str:
        return QUERY


def test_langchain_documents_say_where_they_are_from(shelf):
    retriever = LangChainRetriever(collection="oaks", address=shelf, k=1, filter="n = 3")
    (document,) = retriever.invoke(QUERY)
    assert document.page_content == TEXTS["3.txt"]
    about = document.metadata
    assert (about["file"], about["n"], about["start"], about["page"]) == ("3.txt", 3, 0, None)
    assert about["end"] == len(document.page_content)
    assert about["url"].startswith(f"{shelf}/view/oaks/")
    assert 0 < about["score"] <= 1
    (other,) = asyncio.run(retriever.ainvoke(QUERY, filter="n = 1"))
    assert other.metadata["file"] == "1.txt"


def test_llama_index_nodes(shelf):
    retriever = LlamaIndexRetriever("oaks", address=shelf, similarity_top_k=2, filter="n >= 3")
    nodes = retriever.retrieve(QUERY)
    assert {node.metadata["file"] for node in nodes} == {"3.txt", "4.txt"}
    assert nodes[0].score >= nodes[1].score
    assert (nodes[0].node.start_char_idx, nodes[0].node.end_char_idx) == (0, len(nodes[0].text))
    assert [n.id_ for n in asyncio.run(retriever.aretrieve(QUERY))] == [n.id_ for n in nodes]


def test_haystack_runs_in_a_pipeline_that_is_saved(shelf):
    key = Secret.from_env_var("BINDERY_NO_KEY", strict=False)
    pipeline = Pipeline()
    pipeline.add_component("find", HaystackRetriever("oaks", address=shelf, api_key=key, top_k=2))
    trusted = ["bindery.retrievers.haystack"]
    pipeline = Pipeline.loads(pipeline.dumps(), allowed_modules=trusted)
    where = {"operator": "OR", "conditions": [
        {"field": "meta.n", "operator": "==", "value": 0},
        {"operator": "NOT", "conditions": [{"field": "n", "operator": "<", "value": 4}]},
    ]}  # fmt: skip
    found = pipeline.run({"find": {"query": QUERY, "filters": where}})["find"]["documents"]
    assert {document.meta["file"] for document in found} == {"0.txt", "4.txt"}
    assert all(document.score > 0 and document.meta["url"] for document in found)
    retriever = HaystackRetriever("oaks", address=shelf)
    again = asyncio.run(retriever.run_async(QUERY, filters=where, top_k=1))["documents"]
    assert [document.id for document in again] == [found[0].id]
    with pytest.raises(InvalidValue, match="Unknown operator"):
        retriever.run(QUERY, filters={"field": "n", "operator": "~", "value": 1})


def test_errors_are_those_of_the_search(shelf):
    with pytest.raises(UnknownCollection):
        LangChainRetriever(collection="nowhere", address=shelf).invoke(QUERY)
    with pytest.raises(InvalidValue) as caught:
        LlamaIndexRetriever("oaks", address=shelf, filter="nothing = 1").retrieve(QUERY)
    assert caught.value.param == "filter"
    with pytest.raises(SourceError, match="No answer"):
        HaystackRetriever("oaks", address="http://127.0.0.1:1").run(QUERY)


def test_a_workspace_is_searched_without_a_server(minilm_folder: Path, tmp_path: Path):
    paper = tmp_path / "oak.txt"
    paper.write_text(TEXTS["0.txt"])
    with bindery.open(home=home_with(minilm_folder, tmp_path / "home")) as workspace:
        workspace.add([paper], "oaks")
        retriever = LangChainRetriever(collection="oaks", workspace=workspace)
        assert [one.page_content for one in retriever.invoke(QUERY)] == [TEXTS["0.txt"]]
        (document,) = asyncio.run(retriever.ainvoke(QUERY))
        assert document.metadata["file"] == "oak.txt"
        with pytest.raises(InvalidValue, match="cannot be saved"):
            HaystackRetriever("oaks", workspace=workspace).to_dict()
