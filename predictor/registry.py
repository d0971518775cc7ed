"""Predictors by name, and reading them from files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from predictor.encoders.registry import ENCODERS
from predictor.errors import InvalidPredictor
from spaces.errors import PathfitError, UnknownName
from spaces.plugins import Registry
from spaces.registry import get

if TYPE_CHECKING:
    from predictor.base import Predictor
    from spaces.space import SearchSpace

DEFAULT = "gp"
"""Name of the predictor that is recommended for every space."""

PREDICTORS = Registry["type[Predictor]"](
    "predictor",
    "pathfit.predictors",
    {
        "gp": "predictor.gaussian.predictor:GaussianProcess",
        "blend": "predictor.trees.blend:Blend",
        "forest": "predictor.trees.baselines:RandomForest",
        "boosting": "predictor.trees.baselines:Boosting",
    },
    broken=InvalidPredictor,
)
"""Name -> Predictor class; the name of an encoder is that of an ensemble of it as well."""

P = TypeVar("P", bound="type[Predictor]")


def register_predictor(name: str) -> Callable[[P], P]:
    """Return a decorator that registers a Predictor class, made as `predictor(space, seed)`.

    Args:
        name: Name of the predictor, which its `kind` must equal; it can be taken once.
    """
    return PREDICTORS.register(name)


def available() -> list[str]:
    """Return the names of all predictors: first those of ensembles of one encoder."""
    return [*ENCODERS, *PREDICTORS]


def make(kind: str, space: SearchSpace, seed: int = 0) -> Predictor:
    """Make an unfitted predictor.

    Args:
        kind: Name of a predictor, such as `gp`, or of an encoder, such as `gates`.
        space: Space whose architectures are predicted.
        seed: Seed of all randomness.

    Raises:
        UnknownName: No predictor has this name.
    """
    if kind in ENCODERS:
        # Imported on demand: torch_geometric takes seconds.
        from predictor.ensemble.predictor import GraphPredictor

        return GraphPredictor(space, seed, encoder=kind)
    if kind not in PREDICTORS:
        raise UnknownName("predictor", kind, available())
    return PREDICTORS.get(kind)(space, seed)


def default(space: SearchSpace, seed: int = 0) -> Predictor:
    """The predictor recommended for a space."""
    return make(DEFAULT, space, seed)


def load(path: str | Path) -> Predictor:
    """The predictor of a file.

    Raises:
        InvalidPredictor: the file does not hold a predictor that this Pathfit reads; path and fault
            are named.
    """
    from predictor.serialization import read

    config, tensors = read(path)
    try:
        kind = config["kind"]
        if kind != "graph" and kind not in PREDICTORS:
            raise UnknownName("predictor", kind, ["graph", *PREDICTORS])

        return _class(kind).from_state(get(config["space"]), config, tensors)
    except (PathfitError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        fault = (
            f"the key {error} is missing"
            if isinstance(error, KeyError)
            else str(error).partition("\n")[0]
        )
        raise InvalidPredictor(f"{path}: {fault}") from error


def _class(kind: str) -> type[Predictor]:
    # "graph" is what files call an ensemble; the encoder's name is in its settings.
    if kind == "graph":
        from predictor.ensemble.predictor import GraphPredictor

        return GraphPredictor
    return PREDICTORS.get(kind)
