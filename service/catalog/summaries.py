"""Summaries of tables, predictors and evaluations, which lists show of a file's content.

A summary is made once: that of an upload is stored with it, that of a file in a folder of the
service is cached until the file changes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from service.artifacts import Artifacts
from service.catalog.files import (
    metric_of_predictor,
    space_of_predictor,
    training_of_predictor,
    verdict_on_predictor,
)
from service.jobs import JsonObject
from spaces.errors import InvalidFile, PathfitError
from spaces.files import digest
from tables.evaluation import Evaluation
from tables.lookup_table import LookupTable


def summarise_table(table: LookupTable) -> JsonObject:
    """Summarise a lookup table."""
    return {
        "space": table.space,
        "device": dict(table.device),
        "conditions": dict(table.conditions),
        "blocks": len(table.blocks),
        "networks": len(table.networks),
        "measured": table.created,
    }


def summarise_evaluations(evaluations: Sequence[Evaluation]) -> JsonObject:
    """Summarise evaluations: space, number of networks, task, and the metrics that all have."""
    from tables.evaluation import default_metric, find_metric

    metrics = [
        name
        for name in evaluations[0].metrics
        if all(name in evaluation.metrics for evaluation in evaluations)
    ]
    definitions = {name: find_metric(evaluations, name) for name in metrics}

    return {
        "space": evaluations[0].architecture.space,
        "networks": len(evaluations),
        "task": evaluations[0].source.get("task"),
        "metrics": metrics,
        "default_metric": default_metric(evaluations),
        "definitions": {
            name: metric.to_dict() for name, metric in definitions.items() if metric is not None
        },
    }


def summarise_file(kind: str, path: Path) -> JsonObject:
    """Read and summarise a file; raises InvalidTable, InvalidEvaluation or InvalidFile."""
    if kind == "table":
        return summarise_table(LookupTable.read(path))
    if kind == "predictor":
        evidence = training_of_predictor(path).get("evidence")
        return {
            "space": space_of_predictor(path),
            **metric_of_predictor(path),
            "verdict": verdict_on_predictor(path),
            **({"evidence": evidence} if evidence else {}),
        }

    from tables.evaluation import read

    return summarise_evaluations(read(path))


def summarise_artifact(kind: str, artifacts: Artifacts, path: str, cache: Path) -> JsonObject:
    """Summarise an artifact; of an unusable one the summary has the `error` only.

    Args:
        kind: Kind of the file, such as "table".
        artifacts: Storage of the content.
        path: Path of the artifact.
        cache: Folder for local copies, if the storage is not on this machine.

    Raises:
        ArtifactFailed: The artifact cannot be read.
    """
    local = artifacts.local(path, cache)
    try:
        return summarise_file(kind, local)
    except PathfitError as error:
        return {"error": str(error)}


def summary_of_local(kind: str, path: Path) -> JsonObject:
    """Summarise a file in a folder of the service, with its digest; raises as `summarise_file`."""
    try:
        status = path.stat()
    except OSError as error:
        raise InvalidFile(f"cannot read {path}: {error.strerror}") from error
    # By time and size, so that a replaced file is read again.
    return _cached_summary(kind, path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _cached_summary(kind: str, path: Path, _modified: int, _size: int) -> JsonObject:
    return {**summarise_file(kind, path), "sha256": digest(path)}
