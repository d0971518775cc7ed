"""Pathfit predictor: predict the quality of architectures from evaluated ones.

`make` returns a predictor by name: a Gaussian process over the paths of networks, an ensemble of
graph encoders that are trained to rank, or trees. Packages add their own with the decorators
`register_predictor`, `register_encoder` and `register_proxy`.
"""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from predictor.base import Predictor as Predictor
    from predictor.encoders.base import Encoder as Encoder
    from predictor.encoders.registry import register_encoder as register_encoder
    from predictor.ensemble.predictor import GraphPredictor as GraphPredictor
    from predictor.proxies.registry import register_proxy as register_proxy
    from predictor.registry import available as available
    from predictor.registry import default as default
    from predictor.registry import load as load
    from predictor.registry import make as make
    from predictor.registry import register_predictor as register_predictor
    from predictor.trees.baselines import BaselinePredictor as BaselinePredictor

__all__ = [
    "BaselinePredictor",
    "Encoder",
    "GraphPredictor",
    "Predictor",
    "available",
    "default",
    "load",
    "make",
    "register_encoder",
    "register_predictor",
    "register_proxy",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "BaselinePredictor": ".trees.baselines",
        "Encoder": ".encoders.base",
        "GraphPredictor": ".ensemble.predictor",
        "Predictor": ".base",
        "available": ".registry",
        "default": ".registry",
        "load": ".registry",
        "make": ".registry",
        "register_encoder": ".encoders.registry",
        "register_predictor": ".registry",
        "register_proxy": ".proxies.registry",
    },
)
