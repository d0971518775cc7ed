"""Networks of a small space with a known quality, and files of their evaluations."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import spaces
from spaces.space import Codes
from tables.evaluation import Evaluation

SPACE = spaces.get("spos-tiny")


def quality(codes: Codes) -> NDArray[np.float64]:
    """Larger kernels help, more so late."""
    return np.array([0.0, 1.0, 1.6, 2.4])[codes] @ np.linspace(0.5, 1.5, 6)


def misleading(codes: Codes) -> NDArray[np.float64]:
    """Another order of the candidates, which has little to do with the quality."""
    return np.array([2.0, 0.0, 1.0, 0.5])[codes] @ np.linspace(1.5, 0.5, 6)


def sample(count: int, seed: int) -> Codes:
    """Distinct networks [count, choices] in random order."""
    codes = np.unique(SPACE.sample(np.random.default_rng(seed), 2 * count), axis=0)
    return np.random.default_rng(seed).permutation(codes)[:count]


def write_rows(path: Path, codes: Codes, kind: str, **metrics: NDArray[np.float64]) -> Path:
    """Write a file of evaluations with the metrics [n] of networks."""
    rows = [
        Evaluation(
            architecture,
            {name: float(values[row]) for name, values in metrics.items()},
            {"kind": kind},
        )
        for row, architecture in enumerate(SPACE.decode(codes))
    ]
    path.write_text("".join(row.to_json() + "\n" for row in rows))
    return path
