"""Post-training quantisation of OpenVINO's models to int8 by nncf."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray


def quantised(
    model: Any, feeds: Sequence[Mapping[str, NDArray[Any]]], *, correct_biases: bool = True
) -> Any:
    """Quantise a model to int8; weights have a scale for every output channel.

    Args:
        model: OpenVINO's model.
        feeds: Inputs by name, in batches, that ranges are calibrated on.
        correct_biases: Whether biases make up for the shift that rounded weights cause.

    Returns:
        The quantised model of OpenVINO.
    """
    # nncf would otherwise report each quantisation to a server of Google Analytics.
    os.environ.setdefault("NNCF_CI", "1")
    import nncf

    nncf.set_log_level(logging.ERROR)
    parameters = nncf.AdvancedQuantizationParameters(disable_bias_correction=not correct_biases)
    # Its bars of progress would be printed for each network of a table.
    with contextlib.redirect_stdout(io.StringIO()):
        return nncf.quantize(
            model,
            nncf.Dataset(feeds),
            subset_size=len(feeds),
            advanced_parameters=parameters,
        )
