"""Files pinned by their content, and the tables and predictors in them, cached."""

from __future__ import annotations

import functools
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from service.jobs import JsonObject
from spaces.errors import InvalidFile, PathfitError
from spaces.files import digest
from spaces.space import SearchSpace
from tables.cost.model import CostModel
from tables.errors import MissingFigures
from tables.lookup_table import LookupTable
from tables.metrics import MEASURED, describe_metric


class ChangedFile(PathfitError):
    """Raised if a file changed after a search with it was accepted."""


@dataclass(frozen=True)
class FileReference:
    """A file pinned by its content, so that a job that runs later or again uses the same.

    Args:
        name: Name that requests use.
        path: Absolute path of the file on the machine that accepted the job.
        sha256: SHA-256 of the content.
        artifact: Path among the artifacts, for machines without `path`. None unless uploaded.
    """

    name: str
    # Not compared: what is cached of a file is found wherever a machine has the file.
    path: str = field(compare=False)
    sha256: str
    artifact: str | None = None

    @classmethod
    def from_path(cls, name: str, path: Path, artifact: str | None = None) -> FileReference:
        """Pin a file to its current content; raises InvalidFile if it cannot be read."""
        return cls(name, str(path.resolve()), digest(path), artifact)

    def checked(self) -> Path:
        """Return the path if the content is unchanged; raises ChangedFile or InvalidFile."""
        if digest(Path(self.path)) != self.sha256:
            raise ChangedFile(
                f"the file {self.path} of {self.name!r} was changed after this search was accepted"
            )
        return Path(self.path)

    def to_dict(self) -> JsonObject:
        """Return the JSON object."""
        return asdict(self)


def read_table(reference: FileReference) -> LookupTable:
    """Read a table, cached by its content; raises InvalidTable."""
    return _table(reference.path, reference.sha256)


@functools.lru_cache(maxsize=16)
def _table(path: str, _sha256: str) -> LookupTable:
    return LookupTable.read(path)


@functools.lru_cache(maxsize=32)
def device_model(reference: FileReference, space: SearchSpace, metric: str) -> CostModel:
    """Fit the cost model of a table on a space, cached.

    Raises:
        InvalidTable: The table cannot be read.
        MissingBlock: The table lacks a block of the space.
        MissingFigures: The table has no figures of the metric.
    """
    return read_table(reference).cost_model(space, metric)


def device_models(reference: FileReference, space: SearchSpace) -> dict[str, CostModel]:
    """Map every metric that a table has of a space to its cost model.

    Raises:
        InvalidTable: The table cannot be read.
        MissingBlock: The table lacks a block of the space.
    """
    models: dict[str, CostModel] = {}
    for metric in MEASURED:
        with suppress(MissingFigures):
            models[metric] = device_model(reference, space, metric)
    return models


def space_of_predictor(path: Path) -> str:
    """Read the space of a predictor from its file's header; raises InvalidFile."""
    return str(_predictor(path)["space"])


def metric_of_predictor(path: Path) -> JsonObject:
    """Read the metric that a predictor was trained on from its file's header.

    Returns:
        Its name, unit, direction and title; empty where the file does not record it.

    Raises:
        InvalidFile: The file is no predictor's.
    """
    return describe_metric(_trained_on(path))


def verdict_on_predictor(path: Path) -> JsonObject | None:
    """Read the verdict on a predictor from its file's header; None if it was not judged.

    Raises:
        InvalidFile: The file is no predictor's.
    """
    verdict = _trained_on(path).get("verdict")
    return verdict if isinstance(verdict, dict) else None


def training_of_predictor(path: Path) -> JsonObject:
    """Read a predictor's record of its training, such as the number of networks.

    Raises:
        InvalidFile: The file is no predictor's.
    """
    return dict(_trained_on(path))


def _trained_on(path: Path) -> JsonObject:
    trained_on = _predictor(path).get("trained_on")
    return trained_on if isinstance(trained_on, dict) else {}


def _predictor(path: Path) -> JsonObject:
    try:
        status = path.stat()
    except OSError as error:
        raise InvalidFile(f"cannot read {path}: {error.strerror}") from error
    # Cached by time and size, so that a replaced file is read again.
    return _predictor_header(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _predictor_header(path: Path, _modified: int, _size: int) -> JsonObject:
    from safetensors import SafetensorError, safe_open

    # Only the header: the tensors would need torch, which the web process does not import.
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InvalidFile(f"{path} is not a predictor's file: {error}") from error

    # The space is a field of the metadata itself, or of a JSON object in one of its values.
    for head in (metadata, *map(_parsed, metadata.values())):
        if isinstance(head, dict) and isinstance(head.get("space"), str):
            return head

    raise InvalidFile(f"{path} is not a predictor's file: its header has no field `space`")


def _parsed(text: str) -> object:
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError:
        return None
    return value
