"""``/jobs``: embed files in the background, follow the jobs, and download their results."""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.responses import StreamingResponse

from bindery.errors import UnknownJob
from bindery.faces.http import examples
from bindery.faces.http.bodies import options_from, parse_body, read_body
from bindery.faces.http.gate.access import Scope, identity_of
from bindery.faces.http.routes import events
from bindery.faces.http.routes.job_shapes import (
    JobAnswer,
    JobBody,
    JobDeletedAnswer,
    JobFileAnswer,
    JobFilesAnswer,
    JobsAnswer,
    JobSettings,
)
from bindery.faces.http.routes.shapes import ErrorFacts
from bindery.faces.http.routes.transfers import (
    MEDIA_TYPES,
    ResultFormat,
    attachment,
    written_file,
)
from bindery.faces.http.services import (
    AppServices,
    Services,
    collections_of,
    files_of,
    sees_job,
    services_of,
)
from bindery.jobs import FileState, Job, JobEvent, JobFile, JobRequest
from bindery.options import ChunkOptions, VectorOptions

router = APIRouter(prefix="/jobs", tags=["jobs"])

_LONGEST_KEY = 255
_RETRY = {"retry-after": "1"}


async def _visible(request: Request, services: AppServices, job_id: examples.JobPath) -> Job:
    return await services.disk.run(_find, request, job_id)


VisibleJob = Annotated[Job, Depends(_visible)]
"""The job of the path. Jobs of other keys are unknown, so that nobody learns of them."""


@router.post(
    "",
    summary="Embed files",
    status_code=HTTPStatus.ACCEPTED,
    response_model=JobAnswer,
    openapi_extra=examples.body(JobBody, examples.JOBS),
)
async def create_job(
    request: Request,
    services: AppServices,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(max_length=_LONGEST_KEY, description="The same key returns the same job."),
    ] = None,
) -> JobAnswer:
    """Cut files into chunks and embed them in the background; `Location` is the job's URL.

    All errors of the request are reported at once. An accepted job survives restarts. If a file
    cannot be read, only that file fails.
    """
    body = parse_body(await read_body(request), JobBody)
    job = await services.disk.run(_submit, request, body, idempotency_key)
    response.headers.update({"location": f"/jobs/{job.id}", **_RETRY})
    return _answer(job)


@router.get("", summary="List jobs")
async def list_jobs(
    request: Request,
    services: AppServices,
    limit: Annotated[int, Query(ge=1, le=1000, description="The most jobs to return.")] = 100,
    after: Annotated[
        str | None,
        Query(max_length=100, description="The id of the last job of the previous page."),
    ] = None,
) -> JobsAnswer:
    """The jobs of this key, newest first. A key with the scope `admin` sees all jobs."""
    return await services.disk.run(_list, request, limit, after)


@router.get("/{job_id}", summary="Describe a job")
async def describe_job(
    request: Request, response: Response, services: AppServices, job: VisibleJob
) -> JobAnswer:
    """Its progress and its state: `queued`, `running`, `done`, `failed` or `cancelled`."""
    answer, into = _answer(job), job.request.into
    if not job.state.is_over:
        response.headers.update(_RETRY)
    elif into is not None:
        answer.warnings = await services.disk.run(_warnings, request, into.collection)
    return answer


@router.get("/{job_id}/files", summary="List a job's files")
async def list_job_files(
    services: AppServices,
    job: VisibleJob,
    state: Annotated[FileState | None, Query(description="Only files in this state.")] = None,
) -> JobFilesAnswer:
    """The state of each file, and the error of each that failed."""
    return await services.disk.run(_files, services, job.id, state)


@router.post("/{job_id}/cancel", summary="Cancel a job")
async def cancel_job(services: AppServices, job: VisibleJob) -> JobAnswer:
    """Stop after the current batch of chunks. A job that has ended does not change."""
    return _answer(await services.disk.run(lambda: services.jobs.cancel(job.id)))


@router.delete("/{job_id}", summary="Delete a job")
async def delete_job(services: AppServices, job: VisibleJob) -> JobDeletedAnswer:
    """Delete a finished job and its results, but not its files. 409 if it has not finished."""
    await services.disk.run(lambda: services.jobs.delete(job.id))
    return JobDeletedAnswer(job_id=job.id)


@router.get(
    "/{job_id}/events",
    summary="Follow a job",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-Sent Events."}},
)
async def follow_job(
    services: AppServices,
    job: VisibleJob,
    last_event_id: Annotated[
        str | None, Header(description="The last event that you received.")
    ] = None,
) -> Response:
    """The events of a job as they happen, until it ends. `curl -N` shows them."""
    after = events.last_event_id(last_event_id)
    services.listeners.check_room()

    def look(number: int) -> events.EventBatch:
        return _news(services, job.id, number)

    return StreamingResponse(
        services.listeners.follow(look, after),
        media_type="text/event-stream",
        headers=events.HEADERS,
    )


@router.get(
    "/{job_id}/results",
    summary="Download a job's vectors",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {media_type: {} for media_type in MEDIA_TYPES.values()},
            "description": "A table of chunks: ids, spans, pages, headings, texts and vectors.",
        }
    },
)
async def download_results(
    services: AppServices,
    job: VisibleJob,
    format: Annotated[
        ResultFormat, Query(description="The format of the file.")
    ] = ResultFormat.PARQUET,
) -> Response:
    """The chunks of every file that did not fail, in order, with their vectors.

    409 if the job has not finished.
    """

    def write(sink: BinaryIO) -> None:
        services.jobs.write_results(job.id, sink, format.value)

    home = services.settings.home
    file, size_bytes = await services.results.run(written_file, write, home)
    name = f"{job.id}.{format}"
    return attachment(file, size_bytes, name, services.disk, media_type=MEDIA_TYPES[format])


def _submit(request: Request, body: JobBody, key: str | None) -> Job:
    services, files = services_of(request), files_of(request)
    # Without a limit, the job itself says which files are unknown.
    seen = body.files if identity_of(request).collections is not None else ()
    names = {file_id: files.get(file_id).name for file_id in seen}
    wanted = JobRequest(
        tuple(body.files),
        services.names.model_id(body.model),
        options_from(body, ChunkOptions),
        options_from(body, VectorOptions),
        lines=body.lines,
    )
    owner = identity_of(request).key_id
    return services.jobs.submit(wanted, owner=owner, idempotency_key=key, names=names)


def _find(request: Request, job_id: str) -> Job:
    job = services_of(request).jobs.get(job_id)
    if not sees_job(request, job):
        raise UnknownJob(f"There is no job {job_id[:80]!r}.", remedy="GET /jobs lists your jobs.")
    return job


def _list(request: Request, limit: int, after: str | None) -> JobsAnswer:
    identity = identity_of(request)
    owner = None if Scope.ADMIN in identity.scopes else identity.key_id
    if after is not None:
        _find(request, after)
    found = services_of(request).jobs.list(owner, after=after, most=limit + 1)
    return JobsAnswer(jobs=[_answer(job) for job in found[:limit]], has_more=len(found) > limit)


def _files(services: Services, job_id: str, state: FileState | None) -> JobFilesAnswer:
    found = services.jobs.files(job_id)
    shown = [_file_answer(file) for file in found if state in (None, file.state)]
    return JobFilesAnswer(job_id=job_id, total_files=len(found), files=shown)


def _news(services: Services, job_id: str, after: int) -> events.EventBatch:
    try:
        # Read the state first: if the job is over then, all its events exist.
        is_over = services.jobs.get(job_id).state.is_over
        found = services.jobs.changes(job_id, after)
        while is_over and found and (more := services.jobs.changes(job_id, found[-1].number)):
            found += more
    except UnknownJob:  # deleted while a client listens
        return events.EventBatch((), is_last=True)
    told = [events.Event(one.number, one.kind, _told(job_id, one)) for one in found]
    return events.EventBatch(told, is_last=is_over)


def _told(job_id: str, event: JobEvent) -> Mapping[str, object]:
    """The data of an event, in the format of the other routes."""
    if event.kind == "file":
        return _file_answer(JobFile(**event.data)).model_dump()
    return {"job_id": job_id, **event.data}


def _warnings(request: Request, collection_id: str) -> list[str]:
    collection = collections_of(request).find_by_id(collection_id)
    return collection.facts()["warnings"] if collection else []


def _answer(job: Job) -> JobAnswer:
    return JobAnswer(
        job_id=job.id,
        state=job.state.value,
        created_at=datetime.fromtimestamp(job.created_at, UTC),
        updated_at=datetime.fromtimestamp(job.updated_at, UTC),
        progress=job.progress,
        request=JobSettings.model_validate(job.request.facts()),
        error=ErrorFacts.model_validate(job.error) if job.error else None,
    )


def _file_answer(file: JobFile) -> JobFileAnswer:
    code, message, remedy = file.error_code, file.error_message or "", file.remedy or ""
    return JobFileAnswer(
        file_id=file.id,
        filename=file.name,
        state=file.state.value,
        chunks=file.chunks,
        warnings=list(file.warnings),
        error=ErrorFacts(code=code, message=message, remedy=remedy) if code else None,
    )
