"""Kinds of jobs: what the workers of the service can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from service.kinds.base import JobKind
from spaces.errors import UnknownName

KINDS: Mapping[str, str] = {
    "search": "service.kinds.search:Search",
    "predictor": "service.kinds.predictor:TrainPredictor",
    "retrain": "service.kinds.retrain:Retrain",
}
"""Name -> where the kind is; it is imported by the workers only."""


def get(name: str) -> JobKind:
    """The kind of a name; raises UnknownName."""
    if name not in KINDS:
        raise UnknownName("kind of job", name, list(KINDS))
    module, _, kind = KINDS[name].partition(":")
    make: Callable[[], JobKind] = getattr(import_module(module), kind)
    return make()
