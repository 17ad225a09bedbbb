"""Evaluations over HTTP: started, followed, read, listed and deleted."""

import time

import pytest

from bindery.evaluation.evaluating import EvaluateOptions
from bindery.evaluation.questions import Expected, JudgedQuestion
from bindery.evaluation.runs import EvaluationRuns
from bindery.search.collection import Collections
from bindery.store.values import JobState

TEXTS = {"oak.txt": "Oak is hard and heavy.", "lime.txt": "Lime is soft, and good for carving."}
QUESTIONS = [
    {"question": "Which wood is hard?", "file": "oak.txt", "quote": "hard and heavy"},
    {"question": "What is good for carving?", "expected": [{"file": "lime.txt"}]},
]


@pytest.fixture(scope="module")
def name(client):
    client.post("/collections", json={"name": "woods"})
    uploads = [("file", (name, text)) for name, text in TEXTS.items()]
    job = client.post("/collections/woods/files", files=uploads).headers["location"]
    while client.get(job).json()["state"] not in ("done", "failed"):
        time.sleep(0.05)
    yield "woods"
    client.delete("/collections/woods")


def ended(client, address):
    while (run := client.get(address).json())["state"] in ("queued", "running"):
        assert run["result"] is None
        time.sleep(0.05)
    return run


def test_an_evaluation_is_followed_to_its_result(client, name):
    asked = {"questions": QUESTIONS, "modes": ["lexical", "dense"]}
    started = client.post(f"/collections/{name}/evaluations", json=asked)
    assert started.status_code == 202, started.text
    address = started.headers["location"]
    run = ended(client, address)
    assert run["state"] == "done", run
    assert run["progress"] == {"doing": "", "done": 4, "total": 4}
    result = run["result"]
    assert [one["mode"] for one in result["settings"]] == ["lexical", "dense"]
    assert result["settings"][0]["ndcg_10"] == 1
    listed = client.get(f"/collections/{name}/evaluations").json()["evaluations"]
    assert [one["evaluation_id"] for one in listed] == [run["evaluation_id"]]
    assert client.delete(address).json()["deleted"] is True
    assert client.get(address).status_code == 404
    assert client.get(f"/collections/{name}/evaluations").json() == {"evaluations": []}


def test_a_failure_says_why(client, name):
    asked = {"questions": QUESTIONS, "dimensions": [100_000]}
    started = client.post(f"/collections/{name}/evaluations", json=asked)
    run = ended(client, started.headers["location"])
    assert (run["state"], run["result"]) == ("failed", None)
    assert "dimensions" in run["error"]["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"questions": []}, "either questions or a source"),
        ({"source": "x"}, "Unknown source of questions"),
        ({"source": "titles"}, "gives no questions by the source"),
        ({"questions": [{"file": "a"}]}, "Question 1 must be a text"),
        ({"questions": [{"question": "a"}]}, "Question 1: An expected passage needs"),
        ({"questions": QUESTIONS, "modes": ["latest"]}, "Unknown mode"),
        ({"questions": QUESTIONS, "mode": ["dense"]}, "Did you mean"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(client, name, body, said):
    answer = client.post(f"/collections/{name}/evaluations", json=body)
    assert answer.status_code in (400, 422)
    assert said in answer.text


def test_what_was_interrupted_runs_again(client, name, library):
    collections = Collections(library)
    questions = [JudgedQuestion("1", "hard", (Expected("oak.txt"),))]
    collection = collections.get(name)
    waiting = EvaluationRuns(collections)
    run = waiting.submit(collection, questions, EvaluateOptions(modes=("lexical",)))
    waiting.stop()

    again = EvaluationRuns(collections)
    assert again.get(collection, run.id).state is JobState.QUEUED
    again.start()
    while not again.get(collection, run.id).state.is_over:
        time.sleep(0.02)
    again.stop()
    found = again.get(collection, run.id)
    assert found.state is JobState.DONE
    assert found.result["settings"][0]["ndcg_10"] == 1
    again.delete(collection, run.id)
