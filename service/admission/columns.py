"""Columns of uploaded evaluations and proxies that a predictor learns from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from predictor.base import MIN_ARCHITECTURES
from predictor.evidence.columns import EvidenceColumn, columns_of_file
from service.admission.tasks import ColumnFile
from service.catalog.catalog import Catalog
from service.catalog.files import FileReference
from service.pipelines.texts import relocate
from service.problems import blaming, invalid
from spaces.errors import PathfitError
from spaces.space import SearchSpace


def resolve_columns(texts: Sequence[str], catalog: Catalog) -> tuple[ColumnFile, ...]:
    """Return the files of columns that a request names by `NAME` or `NAME:METRIC`.

    Raises:
        Problem: There are no such evaluations. The problem names the field.
    """
    return tuple(_resolve(text, index, catalog) for index, text in enumerate(texts))


def check_columns(columns: Sequence[ColumnFile], space: SearchSpace) -> None:
    """Check that every column has enough networks of a space.

    Raises:
        Problem: A column cannot be learned. The problem names the field.
    """
    for index, column in enumerate(columns):
        _read(column, index, space)


def check_expert_columns(
    columns: Sequence[ColumnFile], space: SearchSpace, file: FileReference, metric: str
) -> None:
    """Check that experts can learn every column without the values that are to be predicted.

    Args:
        columns: Columns of the request.
        space: Space of the predictor.
        file: Evaluations that are predicted.
        metric: Metric of them that is predicted.

    Raises:
        Problem: A column cannot be learned. The problem names the field.
    """
    for index, column in enumerate(columns):
        names = [evidence.name for evidence in _read(column, index, space)]
        # The same rule as the command's, for copies of the evaluations as well.
        if column.file.sha256 == file.sha256 and metric in names:
            field = f"columns.{index}"
            raise invalid(
                f"{field}: {metric} of {column.file.name} is predicted; name another metric, by"
                f" {column.file.name}:METRIC",
                field,
            )


def check_count(count: int, field: str, name: str) -> None:
    """Check that evaluations are of enough networks; the problem names the field."""
    if count < MIN_ARCHITECTURES:
        raise invalid(
            f"{field}: {name} has {count} networks; at least {MIN_ARCHITECTURES} are needed", field
        )


@contextmanager
def blaming_file(field: str, file: FileReference) -> Iterator[None]:
    """Attribute an error to a field, and name the file as the request does."""
    try:
        yield
    except PathfitError as error:
        raise invalid(relocate(str(error), {file.path: file.name}), field) from error


def _resolve(text: str, index: int, catalog: Catalog) -> ColumnFile:
    # Names of uploads have no colon.
    name, _, metric = text.partition(":")
    with blaming(f"columns.{index}"):
        return ColumnFile(catalog.evaluations(name), metric)


def _read(column: ColumnFile, index: int, space: SearchSpace) -> list[EvidenceColumn]:
    field = f"columns.{index}"
    with blaming_file(field, column.file):
        columns = columns_of_file(Path(column.file.path), column.metric, space)
    check_count(len(np.unique(columns[0].codes, axis=0)), field, column.file.name)
    return columns
