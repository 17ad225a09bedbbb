"""``/collections/{name}/evaluations``: settings compared on questions, in the background."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from bindery.errors import InvalidValue
from bindery.evaluation.generating import SOURCES, make_questions
from bindery.evaluation.questions import JudgedQuestion, expected_in
from bindery.evaluation.results import EvaluateOptions
from bindery.faces.http import examples
from bindery.faces.http.bodies import RequestBody, parse_body, read_body
from bindery.faces.http.routes.collections import NamePath
from bindery.faces.http.routes.shapes import ErrorFacts
from bindery.faces.http.services import collections_of, services_of
from bindery.search.queries import MOST_CHARACTERS

router = APIRouter(prefix="/collections/{name}/evaluations", tags=["collections"])

EvaluationPath = Annotated[
    str,
    Path(
        description="The `evaluation_id` of an answer.",
        examples=[examples.EVALUATION_ID],
        max_length=100,
    ),
]
_Names = list[Annotated[str, Field(max_length=200)]]
_MOST_QUESTIONS = 10_000
_MOST_VALUES = 20


class EvaluationBody(RequestBody):
    """Questions with what answers them, and the settings to compare."""

    refuses_unknown = True

    source: str = Field(
        "",
        max_length=100,
        description="Instead of questions, where to take them from in the collection itself: "
        f"{', '.join(SOURCES)}.",
    )
    questions: list[dict[str, Any]] = Field(
        [],
        max_length=_MOST_QUESTIONS,
        description="Each with a `question` and `file`, `page`, `quote`, `id` or `grade` of the "
        "passage that answers it, or a list `expected` of several.",
    )
    models: _Names = Field([], max_length=_MOST_VALUES)
    strategies: _Names = Field([], max_length=_MOST_VALUES)
    sizes: list[int] = Field([], max_length=_MOST_VALUES)
    dimensions: list[int] = Field([], max_length=_MOST_VALUES)
    modes: _Names = Field(["hybrid"], min_length=1, max_length=_MOST_VALUES)
    budget_tokens: int = Field(1_000, ge=1)


class ProgressAnswer(BaseModel):
    """What is done now, and how many of all questions were asked: each once for each setting."""

    doing: str
    done: int
    total: int


class EvaluationSummary(BaseModel):
    """An evaluation, without its result."""

    evaluation_id: str
    state: str
    created_at: datetime
    questions: int
    options: dict[str, Any]
    progress: ProgressAnswer
    error: ErrorFacts | None


class EvaluationAnswer(EvaluationSummary):
    """An evaluation; ``result`` is null until its state is `done`.

    It has what `bindery evaluate --json` prints: `settings`, of which the first is the baseline,
    each with its figures, and `recommended`, null if none is better for certain.
    """

    result: dict[str, Any] | None


class EvaluationsAnswer(BaseModel):
    """The evaluations of a collection, newest first."""

    evaluations: list[EvaluationSummary]


class EvaluationDeletedAnswer(BaseModel):
    """The evaluation that was deleted."""

    evaluation_id: str
    deleted: Literal[True] = True


@router.post(
    "",
    summary="Start an evaluation",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=examples.body(EvaluationBody, examples.EVALUATIONS),
)
async def start_evaluation(
    request: Request, response: Response, name: NamePath
) -> EvaluationAnswer:
    """Compare settings on questions whose answers are known, in the background.

    The collection does not change. Every combination of the lists is tried, beside the collection
    as it is. Evaluations run one after the other, and resume after a restart.
    """
    services = services_of(request)
    body = parse_body(await read_body(request), EvaluationBody)
    options = EvaluateOptions(
        models=tuple(services.names.model_id(one) for one in body.models),
        strategies=tuple(body.strategies),
        sizes=tuple(body.sizes),
        dimensions=tuple(body.dimensions),
        modes=tuple(body.modes),
        budget_tokens=body.budget_tokens,
    )
    if bool(body.source) == bool(body.questions):
        raise InvalidValue(
            "Send either questions or a source of them.",
            remedy="Leave out one of questions and source.",
            param="questions",
        )
    given = _questions(body.questions)

    def start() -> EvaluationAnswer:
        collection = collections_of(request).get(name)
        questions = given or make_questions(services.library, collection, body.source)
        run = services.evaluations.submit(collection, questions, options)
        return EvaluationAnswer.model_validate(run.facts())

    started = await services.ranking.run(start)
    where = f"/collections/{quote(name, safe='')}/evaluations/{started.evaluation_id}"
    response.headers["location"] = where
    return started


@router.get("", summary="List evaluations")
async def list_evaluations(request: Request, name: NamePath) -> EvaluationsAnswer:
    """The evaluations of a collection with their states, newest first."""
    services = services_of(request)

    def found() -> EvaluationsAnswer:
        runs = services.evaluations.list(collections_of(request).get(name))
        shown = [EvaluationSummary.model_validate(one.facts(has_result=False)) for one in runs]
        return EvaluationsAnswer(evaluations=shown)

    return await services.disk.run(found)


@router.get("/{evaluation_id}", summary="Read an evaluation")
async def read_evaluation(
    request: Request, name: NamePath, evaluation_id: EvaluationPath
) -> EvaluationAnswer:
    """How far an evaluation is, and its result once it is done."""
    services = services_of(request)

    def found() -> EvaluationAnswer:
        run = services.evaluations.get(collections_of(request).get(name), evaluation_id)
        return EvaluationAnswer.model_validate(run.facts())

    return await services.disk.run(found)


@router.delete("/{evaluation_id}", summary="Delete an evaluation")
async def delete_evaluation(
    request: Request, name: NamePath, evaluation_id: EvaluationPath
) -> EvaluationDeletedAnswer:
    """Delete an evaluation with its result; one that runs ends."""
    services = services_of(request)

    def delete() -> EvaluationDeletedAnswer:
        services.evaluations.delete(collections_of(request).get(name), evaluation_id)
        return EvaluationDeletedAnswer(evaluation_id=evaluation_id)

    return await services.disk.run(delete)


def _questions(rows: list[dict[str, Any]]) -> list[JudgedQuestion]:
    found: list[JudgedQuestion] = []
    for number, row in enumerate(rows, 1):
        text = row.get("question")
        if not isinstance(text, str) or not text.strip() or len(text) > MOST_CHARACTERS:
            raise InvalidValue(
                f"Question {number} must be a text of 1 to {MOST_CHARACTERS:,} characters.",
                remedy='Send {"question": "...", "file": "..."}.',
                param="questions",
            )
        try:
            expected = expected_in({key: row[key] for key in row if key != "question"})
        except InvalidValue as error:
            raise InvalidValue(
                f"Question {number}: {error.message}", remedy=error.remedy, param="questions"
            ) from error
        found.append(JudgedQuestion(str(number), text, tuple(expected)))
    return found
