"""Predictors by name, and reading them from files."""

from __future__ import annotations

import importlib
from pathlib import Path

from predictor.base import Predictor
from predictor.errors import InvalidPredictor
from predictor.file import read
from spaces.errors import PathfitError, UnknownName
from spaces.registry import get
from spaces.space import SearchSpace

_CLASSES = {
    "gates": "predictor.graph_predictor:GraphPredictor",
    "gp": "predictor.baselines:GaussianProcess",
    "forest": "predictor.baselines:RandomForest",
}


def available() -> list[str]:
    """The kinds of predictors."""
    return list(_CLASSES)


def make(kind: str, space: SearchSpace, seed: int = 0) -> Predictor:
    """An unfitted predictor of a kind: gates, gp or forest; raises UnknownName."""
    return _class(kind)(space, seed)


def default(space: SearchSpace, seed: int = 0) -> Predictor:
    """The predictor recommended for a space."""
    return make("gates", space, seed)


def load(path: str | Path) -> Predictor:
    """The predictor of a file.

    Raises:
        InvalidPredictor: the file does not hold a predictor that this Pathfit reads; path and fault are named.
    """
    config, tensors = read(path)
    try:
        return _class(config["kind"]).from_state(get(config["space"]), config, tensors)
    except (PathfitError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        fault = f"the key {error} is missing" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise InvalidPredictor(f"{path}: {fault}") from error


def _class(kind: str) -> type[Predictor]:
    if kind not in _CLASSES:
        raise UnknownName("predictor", kind, _CLASSES)
    module, _, name = _CLASSES[kind].partition(":")
    found: type[Predictor] = getattr(importlib.import_module(module), name)
    return found
