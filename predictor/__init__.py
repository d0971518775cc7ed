"""Pathfit predictor: graph predictors of quality, their training, baselines."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from predictor.base import Predictor as Predictor
    from predictor.baselines import BaselinePredictor as BaselinePredictor
    from predictor.graph_predictor import GraphPredictor as GraphPredictor
    from predictor.registry import default as default
    from predictor.registry import load as load
    from predictor.registry import make as make

__getattr__, __dir__ = exports(
    __name__,
    {
        "BaselinePredictor": ".baselines",
        "GraphPredictor": ".graph_predictor",
        "Predictor": ".base",
        "default": ".registry",
        "load": ".registry",
        "make": ".registry",
    },
)
