"""Encoders by name."""

from __future__ import annotations

import importlib

from predictor.encoders.base import Encoder
from spaces.errors import UnknownName

_CLASSES = {
    "gates": "predictor.encoders.gates:GatesEncoder",
    "ta-gates": "predictor.encoders.ta_gates:TaGatesEncoder",
    "mlp": "predictor.encoders.mlp:MlpEncoder",
    "lstm": "predictor.encoders.lstm:LstmEncoder",
    "gcn": "predictor.encoders.gcn:GcnEncoder",
    "transformer": "predictor.encoders.transformer:TransformerEncoder",
}


def available() -> list[str]:
    """The names of encoders."""
    return list(_CLASSES)


def encoder_class(name: str) -> type[Encoder]:
    """The encoder of a name; raises UnknownName."""
    if name not in _CLASSES:
        raise UnknownName("encoder", name, _CLASSES)
    module, _, attribute = _CLASSES[name].partition(":")
    found: type[Encoder] = getattr(importlib.import_module(module), attribute)
    return found
