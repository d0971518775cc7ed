"""Predictors by name, and reading them from files."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from predictor.base import Predictor
from predictor.errors import InvalidPredictor
from predictor.serialization import read
from spaces.errors import PathfitError, UnknownName
from spaces.registry import get
from spaces.space import SearchSpace

ENCODERS = ("gates", "ta-gates", "mlp", "lstm", "gcn", "transformer")
"""Names of ensembles of one encoder; see `predictor.encoders.registry`."""

DEFAULT = "gp"

_CLASSES = {
    "gp": "predictor.gaussian.predictor:GaussianProcess",
    "blend": "predictor.trees.blend:Blend",
    "forest": "predictor.trees.baselines:RandomForest",
    "boosting": "predictor.trees.baselines:Boosting",
}
_GRAPH = "predictor.ensemble.predictor:GraphPredictor"


def available() -> list[str]:
    """The kinds of predictors."""
    return [*ENCODERS, *_CLASSES]


def make(kind: str, space: SearchSpace, seed: int = 0) -> Predictor:
    """An unfitted predictor of a kind, such as gates or gp; raises UnknownName with those that
    exist.
    """
    if kind in ENCODERS:
        return _attribute(_GRAPH)(space, seed, encoder=kind)  # type: ignore[no-any-return]
    if kind not in _CLASSES:
        raise UnknownName("predictor", kind, available())
    return _attribute(_CLASSES[kind])(space, seed)  # type: ignore[no-any-return]


def default(space: SearchSpace, seed: int = 0) -> Predictor:
    """The predictor recommended for a space."""
    return make(DEFAULT, space, seed)


def load(path: str | Path) -> Predictor:
    """The predictor of a file.

    Raises:
        InvalidPredictor: the file does not hold a predictor that this Pathfit reads; path and fault
            are named.
    """
    config, tensors = read(path)
    try:
        kind = config["kind"]
        if kind != "graph" and kind not in _CLASSES:
            raise UnknownName("predictor", kind, ["graph", *_CLASSES])
        space = get(config["space"])
        found: Predictor = _attribute(_CLASSES.get(kind, _GRAPH)).from_state(space, config, tensors)
        return found
    except (PathfitError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        fault = (
            f"the key {error} is missing"
            if isinstance(error, KeyError)
            else str(error).partition("\n")[0]
        )
        raise InvalidPredictor(f"{path}: {fault}") from error


def _attribute(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
