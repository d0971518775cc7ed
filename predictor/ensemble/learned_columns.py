"""Columns that the experts of an encoder learn before the values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from predictor.base import MIN_ARCHITECTURES, Auxiliary
from predictor.bench.columns import parse_file_column
from predictor.encoders.base import Encoder
from predictor.ensemble.fitting import Fitting, Training
from predictor.errors import InvalidValues, TooFewArchitectures
from predictor.evidence.columns import columns_of_file
from predictor.ranks import NormalScores
from spaces.progress import Progress
from spaces.space import Codes, SearchSpace

# The member that leaves an architecture out, where none does.
_NONE = -1


@dataclass(frozen=True)
class LearnedColumns:
    """Columns that the experts of an encoder learn before the values.

    Args:
        codes: Codes of the architectures [n, choices].
        values: Normal scores of the columns, [n, columns]; NaN where a column does not have an
            architecture.
        names: Names of the columns.
    """

    codes: Codes
    values: NDArray[np.float64]
    names: tuple[str, ...]

    @classmethod
    def from_measured(cls, columns: Mapping[str, tuple[Codes, NDArray[np.float64]]]) -> Self:
        """Join columns that were measured, each of some architectures.

        Args:
            columns: Name -> codes [n, choices] and values [n]; greater promises a better value.
                Several values of one architecture are averaged.

        Raises:
            TooFewArchitectures: A column has fewer than 10 architectures.
            InvalidValues: A value is not finite.
        """
        for name, (codes, column) in columns.items():
            num_different = len(np.unique(codes, axis=0))
            if num_different < MIN_ARCHITECTURES:
                raise TooFewArchitectures(
                    f"the column {name!r} has {num_different} architectures; an expert learns at"
                    f" least {MIN_ARCHITECTURES}"
                )
            if not np.isfinite(column).all():
                raise InvalidValues(f"the column {name!r} has a value that is not finite")

        all_codes = np.concatenate([codes for codes, _ in columns.values()])
        pool, rows = np.unique(all_codes, axis=0, return_inverse=True)
        ends = np.cumsum([len(codes) for codes, _ in columns.values()])
        rows_of_columns = np.split(rows.reshape(-1), ends[:-1])

        values = np.full((len(pool), len(columns)), np.nan)
        pairs = zip(rows_of_columns, columns.values(), strict=True)
        for index, (column_rows, (_, column)) in enumerate(pairs):
            known, counts = np.unique(column_rows, return_counts=True)
            sums = np.bincount(column_rows, column, len(pool))[known]
            means = sums / counts
            values[known, index] = NormalScores.from_values(means).to_scores(means)
        return cls(np.asfortranarray(pool), values, tuple(columns))

    @classmethod
    def from_providers(
        cls, space: SearchSpace, codes: Codes, count: int, seed: int, providers: Auxiliary | None
    ) -> Self:
        """Read columns of training data and of random architectures.

        Args:
            space: Space of the architectures.
            codes: Codes of the training data [n, choices].
            count: Number of random architectures that are added.
            seed: Seed of these.
            providers: Name -> function that returns the column of given codes. None or empty: the
                multiply-accumulates and the parameters.

        Raises:
            InvalidValues: A column has another shape, or a number that is not finite.
            MissingAuxiliary: A column does not have a random architecture.
        """
        random = space.sample(np.random.default_rng([seed, 2]), count)
        pool = np.asfortranarray(np.unique(np.concatenate([codes, random]), axis=0))
        functions: Mapping[str, Callable[[Codes], Any]] = providers or {
            "macs": space.macs,
            "params": space.params,
        }

        columns = []
        for name, column_of in functions.items():
            column = np.asarray(column_of(pool), dtype=np.float64)
            if column.shape != (len(pool),) or not np.isfinite(column).all():
                raise InvalidValues(
                    f"the column {name!r} must be one finite number for each of {len(pool)} rows"
                )
            columns.append(NormalScores.from_values(column).to_scores(column))
        return cls(pool, np.stack(columns, axis=1), tuple(functions))

    def teach(
        self,
        members: Sequence[Encoder],
        space: SearchSpace,
        fitting: Fitting,
        seed: int,
        progress: Progress,
    ) -> None:
        """Train the experts of members, each on its own column.

        Args:
            members: Members of an ensemble, whose weights change.
            space: Space of the architectures.
            fitting: Settings of the training.
            seed: Seed of the training.
            progress: Receives a text after every epoch.
        """
        for member in members:
            # The experts' scores are compared with the columns as those of steps with their values.
            member.anytime = True

        trained = Training(
            members,
            members[0].inputs(space, self.codes),
            self.values,
            np.full(len(self.codes), _NONE),
            fitting,
            seed,
        ).run(lambda fraction, text: progress(0.0, f"learning columns, {text}"))

        for member, encoder in zip(members, trained.encoders(), strict=True):
            member.anytime = False
            member.load_state_dict(encoder.state_dict())


def read_learned_columns(
    texts: Sequence[str], space: SearchSpace, data: Path, target: str
) -> LearnedColumns:
    """Read columns for experts from files of evaluations.

    Args:
        texts: `FILE.jsonl` or `FILE.jsonl:METRIC`, as `predictor.evidence.columns.read_columns`
            reads them, or `METRIC`, a further metric of the file `data`.
        space: Space whose architectures are predicted.
        data: File of the evaluations that are predicted.
        target: Metric that is predicted, which is no column.

    Raises:
        InvalidEvaluation: A file cannot be read, or its metric must be named.
        InvalidValues: A column is the metric that is predicted, or a value is not finite.
        TooFewArchitectures: A column has fewer than 10 architectures.
    """
    columns = {}
    for text in texts:
        path, metric = parse_file_column(text) or (data, text)
        for column in columns_of_file(path, metric, space):
            # Its experts would learn the values of the networks that are to be tested on.
            if column.name == target and path.resolve() == data.resolve():
                raise InvalidValues(
                    f"--columns {text}: {target} of {data} is predicted; name another metric, by"
                    f" {data}:METRIC"
                )
            columns[f"{column.group}:{column.name}"] = (column.codes, column.values)

    return LearnedColumns.from_measured(columns)
