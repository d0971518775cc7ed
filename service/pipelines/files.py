"""The files of a finished pipeline as clients get them, and those that become the catalog's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from oneshot.pipeline.kinds import STAGES
from service.admission.tasks import PipelineTask

SUMMARY = "summary.json"
"""Name of the artifact with the result of the job."""

KINDS = {
    "profile": "table",
    "evaluate": "evaluations",
    "proxies": "proxies",
    "predict": "predictor",
}
"""Stage -> what its output becomes in the catalog; see `catalog_entry`."""

_PROXIES = "proxies"

_SUFFIXES = (".json", ".jsonl", ".safetensors", ".onnx", ".png")

_SETTINGS = "run.json"


def stage_files(folder: Path, task: PipelineTask) -> Iterator[tuple[str, str, bytes | Path]]:
    """Yield the stage, the name and the content of every file that the stages have written.

    Args:
        folder: Folder of the run.
        task: Task of the job.
    """
    for stage in task.stages:
        kind = STAGES[stage]
        for output in (kind.output, *(name for _, name in kind.reports)):
            path = folder / output
            # Files of a folder have its name in front, since two trainings write the same names.
            if path.is_file():
                yield stage, path.name, _content(path, task)
            elif path.is_dir():
                for file in sorted(path.iterdir()):
                    if file.is_file() and file.suffix in _SUFFIXES:
                        yield stage, f"{path.name}-{file.name}", _content(file, task)


def catalog_entry(published: str, name: str) -> tuple[str, str]:
    """Return the kind of the catalog, and the name there, of a file that a pipeline publishes.

    Args:
        published: Kind of the published file, a value of `KINDS`.
        name: Name of the pipeline.

    Example:
        >>> catalog_entry("table", "phone"), catalog_entry("proxies", "phone")
        (('table', 'phone'), ('evaluations', 'phone-proxies'))
    """
    # Proxies are evaluations of another kind, so that both need a name of their own.
    return ("evaluations", f"{name}-{_PROXIES}") if published == _PROXIES else (published, name)


def published_files(task: PipelineTask) -> Mapping[str, str]:
    """Return the files that the catalog gets: kind of the published file -> its name."""
    return {kind: STAGES[stage].output for stage, kind in KINDS.items() if stage in task.stages}


def _content(path: Path, task: PipelineTask) -> bytes | Path:
    if path.name == STAGES["profile"].output:
        from tables.lookup_table import LookupTable

        # By its own name it would be one table of many that are called `profile`.
        return replace(LookupTable.read(path), name=task.name).to_json().encode()
    if path.name == _SETTINGS:
        from oneshot.run import without_folders

        settings = without_folders(json.loads(path.read_bytes()))
        return (json.dumps(settings, indent=1) + "\n").encode()
    return path
