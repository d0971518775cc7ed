"""Encoders by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from spaces.plugins import Registry

if TYPE_CHECKING:
    from predictor.encoders.base import Encoder

ENCODERS = Registry["type[Encoder]"](
    "encoder",
    "pathfit.encoders",
    {
        "gates": "predictor.encoders.gates:GatesEncoder",
        "ta-gates": "predictor.encoders.ta_gates:TaGatesEncoder",
        "mlp": "predictor.encoders.mlp:MlpEncoder",
        "lstm": "predictor.encoders.lstm:LstmEncoder",
        "gcn": "predictor.encoders.gcn:GcnEncoder",
        "dele": "predictor.encoders.dele:DeleEncoder",
        "transformer": "predictor.encoders.transformer:TransformerEncoder",
    },
)
"""Name -> Encoder class."""

E = TypeVar("E", bound="type[Encoder]")


def register_encoder(name: str) -> Callable[[E], E]:
    """Return a decorator that registers an Encoder class.

    An ensemble of the encoder is then a predictor of the same name.

    Args:
        name: Name of the encoder; it can be taken once.

    Example:
        >>> import predictor
        >>> import spaces
        >>> from predictor.encoders.mlp import MlpEncoder
        >>> @predictor.register_encoder("small-mlp")
        ... class SmallMlpEncoder(MlpEncoder):
        ...     name = "small-mlp"
        ...     @classmethod
        ...     def from_space(cls, space, **config):
        ...         return super().from_space(space, **{"hidden": (16,), **config})
        >>> predictor.make("small-mlp", spaces.get("spos-tiny")).encoder
        'small-mlp'
    """
    return ENCODERS.register(name)


def available() -> list[str]:
    """Return the names of all encoders."""
    return ENCODERS.names()


def encoder_class(name: str) -> type[Encoder]:
    """Return the Encoder class of a name; raises UnknownName."""
    return ENCODERS.get(name)
