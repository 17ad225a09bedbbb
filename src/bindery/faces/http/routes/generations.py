"""``/collections/{name}``: changed, made again by another recipe, taken back, and verified."""

from http import HTTPStatus
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, create_model

from bindery.faces.http import examples
from bindery.faces.http.bodies import RequestBody, fields_of, parse_body, read_body
from bindery.faces.http.gate.access import identity_of
from bindery.faces.http.routes.collections import CollectionAnswer, NamePath
from bindery.faces.http.services import Services, collections_of, services_of
from bindery.options import ChunkOptions, VectorOptions
from bindery.search.collection import Collection
from bindery.store.values import CollectionSettings

router = APIRouter(prefix="/collections", tags=["collections"])


class ChangeBody(
    create_model("CollectionChanges", __base__=RequestBody, **fields_of(CollectionSettings))
):
    """What to change of a collection: its name and its settings."""

    refuses_unknown = True

    name: str | None = Field(None, max_length=100, description="The new name.")
    unset: list[str] = Field(
        default_factory=list[str], max_length=20, description="Settings to have no value again."
    )


_RECIPE: dict[str, Any] = {
    name: (annotation | None, Field(None, description=field.description))
    for kind, left_out in ((ChunkOptions, ()), (VectorOptions, ("form", "role")))
    for name, (annotation, field) in fields_of(kind, leave_out=left_out).items()
}


class RebuildBody(create_model("RebuildOptions", __base__=RequestBody, **_RECIPE)):
    """How files are to be cut and embedded instead; what is left out stays as it is."""

    refuses_unknown = True

    model: str | None = Field(None, max_length=200)
    accepts_loss: bool = Field(
        default=False, description="Switch even if files cannot be made again."
    )


class RollbackBody(RequestBody):
    """How to take a collection back."""

    refuses_unknown = True

    accepts_loss: bool = Field(
        default=False, description="Switch even if files that came since cannot be embedded."
    )


class RebuildAnswer(BaseModel):
    """The job that fills a generation and switches to it; null if it has been switched to."""

    collection: str
    generation: int
    job_id: str | None


class EstimateAnswer(BaseModel):
    """What a rebuild will do; `minutes` is null for a remote model."""

    files: int
    chunks: int
    chunks_known: int
    tokens: int
    minutes: float | None
    size_bytes: int
    unreadable: dict[str, str]


class ComparisonAnswer(BaseModel):
    """How a generation answered beside the former one."""

    queries: int
    chunks: int
    chunks_before: int
    overlap: float | None
    found: float | None
    found_before: float | None
    skipped: str


class GenerationAnswer(BaseModel):
    """A generation of a collection; only the one that is `active` answers."""

    id: int
    state: Literal["active", "filling", "former"]
    model: str
    dimensions: int
    strategy: str
    size: int | None
    overlap: int
    context: str
    files_missing: int
    comparison: ComparisonAnswer | None


class GenerationsAnswer(BaseModel):
    """The generations of a collection, oldest first."""

    generations: list[GenerationAnswer]


class GenerationsDroppedAnswer(BaseModel):
    """How many generations were dropped."""

    dropped: int


class ProblemAnswer(BaseModel):
    """What is wrong with a segment, or with the rows of a file in it."""

    segment: str
    file: str
    message: str


class VerifyAnswer(BaseModel):
    """What was compared with the catalog, and what is wrong."""

    generation: int
    segments: int
    files: int
    chunks: int
    is_sound: bool
    problems: list[ProblemAnswer]


@router.patch(
    "/{name}",
    summary="Change a collection",
    openapi_extra=examples.body(ChangeBody, examples.COLLECTION_CHANGES),
)
async def change_collection(request: Request, name: NamePath) -> CollectionAnswer:
    """Rename a collection, or change its settings. Searches see it at once."""
    collections = collections_of(request)
    body = parse_body(await read_body(request), ChangeBody)
    given = {key: getattr(body, key) for key in body.model_fields_set - {"name", "unset"}}

    def change() -> CollectionAnswer:
        collection = collections.get(name)
        if body.name is not None:
            collections.check_name(body.name)
        collection.change(name=body.name, unset=body.unset, **given)
        return CollectionAnswer.model_validate(collection.facts())

    return await services_of(request).disk.run(change)


@router.post(
    "/{name}/rebuild",
    summary="Rebuild a collection",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=examples.body(RebuildBody, examples.REBUILDS),
)
async def rebuild_collection(request: Request, response: Response, name: NamePath) -> RebuildAnswer:
    """Make a collection again by another model or other options, in the background.

    The collection answers as before until the job is done. Without options the files of its index
    are made again from the database, before this answers.
    """
    services, owner = services_of(request), identity_of(request).key_id
    body = parse_body(await read_body(request), RebuildBody)

    def rebuild() -> RebuildAnswer:
        collection = collections_of(request).get(name)
        options = options_of(body)
        if body.model is None and not options:
            collection.rebuild_index()
            generation = collection.stored.generation
            return RebuildAnswer(collection=name, generation=generation, job_id=None)
        recipe = collection.generations.wanted(model_of(services, body), options)
        generation = collection.generations.begin(recipe)
        return _submit(services, collection, generation, body, owner)

    return _located(response, await services.loading.run(rebuild))


@router.post(
    "/{name}/rebuild/estimate",
    summary="Estimate a rebuild",
    openapi_extra=examples.body(RebuildBody, examples.REBUILDS),
)
async def estimate_rebuild(request: Request, name: NamePath) -> EstimateAnswer:
    """What a rebuild would do. The model is loaded, and embeds a few texts to measure its speed."""
    services = services_of(request)
    body = parse_body(await read_body(request), RebuildBody)

    def estimate() -> EstimateAnswer:
        generations = collections_of(request).get(name).generations
        recipe = generations.wanted(model_of(services, body), options_of(body))
        return EstimateAnswer(**generations.estimate(recipe).facts())

    return await services.loading.run(estimate)


@router.post(
    "/{name}/rollback",
    summary="Take a rebuild back",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=examples.body(RollbackBody, examples.ROLLBACKS),
)
async def rollback_collection(
    request: Request, response: Response, name: NamePath
) -> RebuildAnswer:
    """Answer from the former generation again, once it has the files that came since."""
    services, owner = services_of(request), identity_of(request).key_id
    body = parse_body(await read_body(request), RollbackBody)

    def rollback() -> RebuildAnswer:
        collection = collections_of(request).get(name)
        generation = collection.generations.former()
        return _submit(services, collection, generation, body, owner)

    return _located(response, await services.loading.run(rollback))


@router.get("/{name}/generations", summary="List the generations of a collection")
async def list_generations(request: Request, name: NamePath) -> GenerationsAnswer:
    """The active generation, and the one that is being filled or can be taken back to."""
    services = services_of(request)

    def found() -> GenerationsAnswer:
        generations = collections_of(request).get(name).generations
        answers = [GenerationAnswer.model_validate(one.facts()) for one in generations]
        return GenerationsAnswer(generations=answers)

    return await services.disk.run(found)


@router.delete("/{name}/generations", summary="Drop the other generations of a collection")
async def drop_generations(request: Request, name: NamePath) -> GenerationsDroppedAnswer:
    """Free the room of all generations but the active one. A rebuild that runs fails."""
    services = services_of(request)

    def drop() -> int:
        return collections_of(request).get(name).generations.drop()

    return GenerationsDroppedAnswer(dropped=await services.disk.run(drop))


@router.post("/{name}/verify", summary="Verify the index of a collection")
async def verify_collection(request: Request, name: NamePath) -> VerifyAnswer:
    """Compare every file and every row of the index with the database. Nothing is repaired."""
    services = services_of(request)

    def verify() -> VerifyAnswer:
        return VerifyAnswer.model_validate(collections_of(request).get(name).verify().facts())

    return await services.disk.run(verify)


def options_of(body: RebuildBody) -> dict[str, Any]:
    """The options that a body has."""
    names = body.model_fields_set - {"model", "accepts_loss"}
    return {name: getattr(body, name) for name in names}


def model_of(services: Services, body: RebuildBody) -> str | None:
    """The id of the model that a body names, if it does."""
    return None if body.model is None else services.names.model_id(body.model)


def _submit(
    services: Services,
    collection: Collection,
    generation: int,
    body: RebuildBody | RollbackBody,
    owner: str,
) -> RebuildAnswer:
    job_id = collection.generations.submit(
        services.jobs, generation, accepts_loss=body.accepts_loss, owner=owner
    )
    return RebuildAnswer(collection=collection.name, generation=generation, job_id=job_id)


def _located(response: Response, answer: RebuildAnswer) -> RebuildAnswer:
    if answer.job_id is not None:
        response.headers.update({"location": f"/jobs/{answer.job_id}", "retry-after": "1"})
    return answer
