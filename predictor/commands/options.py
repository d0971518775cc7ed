"""What several commands share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.registry import available

if TYPE_CHECKING:
    from predictor.base import Predictor

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)
KINDS = click.Choice(available())
SEED = click.IntRange(0, 2**32 - 1)


def figures(model: Predictor, codes: Any, values: Any) -> dict[str, float | None]:
    """How well a predictor ranks `codes` [n, choices] of true `values` [n].

    The figures are those of `predictor.metrics.figures` and the standard error of tau.
    """
    from predictor.metrics import figures as of_values
    from predictor.metrics import tau_error

    mean, _ = model.predict(codes)
    found = {**of_values(mean, values), "kendall_tau_error": tau_error(mean, values)}
    # JSON has no NaN, which a constant prediction gives.
    return {name: figure if math.isfinite(figure) else None for name, figure in found.items()}
