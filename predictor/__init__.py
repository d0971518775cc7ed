"""Pathfit predictor: graph predictors of quality, their training, baselines."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from predictor.base import Predictor as Predictor
    from predictor.ensemble.predictor import GraphPredictor as GraphPredictor
    from predictor.registry import default as default
    from predictor.registry import load as load
    from predictor.registry import make as make
    from predictor.trees.baselines import BaselinePredictor as BaselinePredictor

__getattr__, __dir__ = exports(
    __name__,
    {
        "BaselinePredictor": ".trees.baselines",
        "GraphPredictor": ".ensemble.predictor",
        "Predictor": ".base",
        "default": ".registry",
        "load": ".registry",
        "make": ".registry",
    },
)
