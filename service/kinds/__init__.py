"""Kinds of jobs: the work that the service's workers can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from spaces.plugins import Registry

if TYPE_CHECKING:
    from service.kinds.base import JobKind

# Without a group: the API and the page know every kind, so that a package cannot add one.
KINDS = Registry[Callable[[], "JobKind"]](
    "kind of job",
    built_in={
        "search": "service.kinds.search:Search",
        "predictor": "service.kinds.predictor:TrainPredictor",
        "retrain": "service.kinds.retrain:Retrain",
        "pipeline": "service.kinds.pipeline:RunPipeline",
        "measure": "service.kinds.measure:Measure",
    },
)
"""Name -> class of the kind, which only the workers import."""


def get(name: str) -> JobKind:
    """Return the kind of a name; raises UnknownName."""
    return KINDS.get(name)()
