"""`/tables`, `/evaluations` and `/predictors`: upload files as immutable versions; remove them."""

from __future__ import annotations

from pathlib import Path

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import ValidationError

from service.admission.measuring import admit_build
from service.api.catalog import resolving_path
from service.api.documentation import Answers, reading, writing
from service.api.job_requests import accept, format_time
from service.catalog.catalog import Catalog
from service.catalog.names import SHARED
from service.catalog.summaries import summarise_evaluations, summarise_table
from service.context import current_service
from service.jobs import JsonObject
from service.problems import Problem, blaming, invalid, invalid_fields
from service.schemas.agents import TableBuild
from service.schemas.catalog import EvaluationsUpload, Removed, TableUpload, Uploaded
from service.security.caller import owner, sender
from service.store import FileVersion
from service.store.files import SHARED_LIBRARY
from tables.evaluation import Evaluation
from tables.lookup_table import LookupTable

UNCHANGED: Answers = {200: {"description": "The newest version has this content already."}}
"""The answer to an upload that changes nothing."""

_BUILDING: Answers = {
    202: {
        "description": "The table is being built; Location is the job's URL.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/JobStatus"}}},
    }
}

_ADDED = "A new version; the name stands for it from now on"

_REMOVING = reading(403, 404, 409)

blueprint = APIBlueprint("uploads", __name__, tag="uploads")


@blueprint.post("/tables")
@blueprint.input(TableUpload, arg_name="body")
@blueprint.output(Uploaded, status_code=201, description=_ADDED)
@blueprint.doc(
    summary="Upload a lookup table, such as `python -m profiler build --upload URL` does",
    description=(
        "With the name of an agent in `device`, and a `space`, the table is built there: a job of"
        " the kind `measure`, whose result names the table."
    ),
    responses=writing(403, 409, 429) | UNCHANGED | _BUILDING,
)
def table(body: TableUpload) -> tuple[Uploaded, int] | Response:
    """Add a version of a lookup table, or have an agent build one."""
    # The table has a schema and a reader of its own, so the body is read again in full.
    content = dict(request.get_json())
    if isinstance(content.get("device"), str):
        return _build(content)
    if body.name is None:
        raise invalid("name: an uploaded table needs a name", "name")

    content.pop("shared", None)
    table = LookupTable.from_dict(content)
    return add_version(
        "table", body.name, table.to_json().encode(), body.shared, summarise_table(table)
    )


def _build(content: JsonObject) -> Response:
    """Have an agent build a table; raises Problem for a request that it cannot fulfil."""
    try:
        body = TableBuild.model_validate(content)
    except ValidationError as error:
        raise invalid_fields(error, TableBuild) from error

    service = current_service()
    library = upload_library(body.shared)
    agents = service.store.agents.list()
    status, code, headers = accept(
        service,
        lambda: admit_build(body, service.sender_catalog(), agents, sender(), library),
    )
    response = Response(status.model_dump_json(), code, mimetype="application/json")
    response.headers.update(headers)
    return response


@blueprint.post("/evaluations")
@blueprint.input(EvaluationsUpload, arg_name="body")
@blueprint.output(Uploaded, status_code=201, description=_ADDED)
@blueprint.doc(
    summary="Upload evaluations, for a predictor to be trained from",
    responses=writing(403, 409) | UNCHANGED,
)
def evaluations(body: EvaluationsUpload) -> tuple[Uploaded, int]:
    """Add a version of evaluations."""
    evaluations = _read_evaluations(body, current_service().sender_catalog())
    content = "".join(f"{evaluation.to_json()}\n" for evaluation in evaluations).encode()
    summary = summarise_evaluations(evaluations)
    return add_version("evaluations", body.name, content, body.shared, summary)


def _read_evaluations(body: EvaluationsUpload, catalog: Catalog) -> list[Evaluation]:
    evaluations = []
    space = None
    for index, upload in enumerate(body.evaluations):
        field = f"evaluations.{index}.architecture"
        with blaming(field):
            # By the catalog, since a name with parameters could describe a space of any size.
            architecture = catalog.architecture(upload.architecture)
        space = space or architecture.space
        if architecture.space != space:
            raise invalid(
                f"{field} is one of {architecture.space}, not {space} as those before it", field
            )
        evaluations.append(Evaluation(architecture, upload.metrics, upload.source))

    return evaluations


@blueprint.delete("/tables/<path:name>")
@blueprint.output(Removed, description="Removed")
@blueprint.doc(summary="Remove all versions of an uploaded lookup table", responses=_REMOVING)
def remove_table(name: str) -> Removed:
    """Remove a lookup table."""
    return _remove("table", name)


@blueprint.delete("/evaluations/<path:name>")
@blueprint.output(Removed, description="Removed")
@blueprint.doc(summary="Remove all versions of uploaded evaluations", responses=_REMOVING)
def remove_evaluations(name: str) -> Removed:
    """Remove evaluations."""
    return _remove("evaluations", name)


@blueprint.delete("/predictors/<path:name>")
@blueprint.output(Removed, description="Removed")
@blueprint.doc(summary="Remove all versions of a trained predictor", responses=_REMOVING)
def remove_predictor(name: str) -> Removed:
    """Remove a predictor that a job has trained."""
    return _remove("predictor", name)


def _remove(kind: str, name: str) -> Removed:
    service = current_service()
    with resolving_path(kind):
        library, plain = service.sender_catalog().library_of(kind, name)
    if isinstance(library.files[plain], Path):
        detail = f"{name!r:.80} is a file in a folder of the service, which its operator removes"
        raise Problem(409, "not-an-upload", "Not an upload", detail, "name")

    remover = sender()
    is_own = library.id == remover.library
    if not is_own and not (remover.administrator and library.id == SHARED_LIBRARY):
        detail = f"{name!r:.80} belongs to {library.owner}; you may remove files of your own only"
        raise Problem(403, "not-the-owner", "Not the owner", detail, "name")

    num_versions = service.uploads.remove(kind, plain, library.id)
    owner_name = None if remover.name is None else library.owner

    return Removed(kind=kind, name=plain, owner=owner_name, versions=num_versions)


def upload_library(shared: bool) -> str:
    """Return the id of the library that the sender uploads to.

    Args:
        shared: Whether the sender requests the shared library.

    Raises:
        Problem: 403; the sender is no administrator.
    """
    uploader = sender()
    if not shared:
        return uploader.library
    if not uploader.administrator:
        detail = (
            "shared: only an administrator's token adds to the shared library; leave out shared to"
            f" add to the library of {uploader.name!r}"
        )
        raise Problem(403, "administrator-needed", "Administrator needed", detail, "shared")

    return SHARED_LIBRARY


def add_version(
    kind: str, name: str, content: bytes, shared: bool, summary: JsonObject
) -> tuple[Uploaded, int]:
    """Add a version of a file to the sender's library, or to the shared one.

    Args:
        kind: Kind of the file, such as "table".
        name: Name by which requests will refer to it.
        content: Content of the file.
        shared: Whether the sender requests the shared library.
        summary: Properties of the content that lists show.

    Returns:
        The version, and the status: 201, or 200 if the newest version has this content already.

    Raises:
        Problem: 403 or 409; the library or the name cannot be used.
    """
    service = current_service()
    library = upload_library(shared)
    if service.catalog.is_hidden(kind, name, library):
        detail = f"name {name!r} is that of a {kind} in a folder of the service; use another name"
        raise Problem(409, "name-taken", "Name taken", detail, "name")

    version, is_new = service.uploads.add(kind, name, content, owner(), library, summary)

    return _to_schema(version), 201 if is_new else 200


def _to_schema(version: FileVersion) -> Uploaded:
    uploader = sender()
    library_owner = SHARED if version.library == SHARED_LIBRARY else uploader.name
    return Uploaded(
        # Without tokens there are no owners to name.
        owner=None if uploader.name is None else library_owner,
        kind=version.kind,
        name=version.name,
        version=version.version,
        sha256=version.sha256,
        created=format_time(version.created),
    )
