"""Static quantisation of ONNX models to int8, and whether a runtime really runs them so."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from profiler.backends.onnx_model import session_options

# Onnxruntime's operators on integers; others run between dequantising and quantising, in floats.
_PREFIXES = ("QLinear", "QGemm", "QAttention")

# Operators of onnxruntime that compute in integers end so.
_SUFFIXES = ("Integer", "IntegerToFloat")


def integer_operators(proto: bytes, provider: str) -> list[str]:
    """Return the operators on integers that onnxruntime runs a quantised model with.

    A provider without such operators runs the model in floats, with conversions in between.

    Args:
        proto: The serialised model.
        provider: Onnxruntime's name of the device.
    """
    import onnx
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "optimised.onnx"
        options = session_options(threads=1)
        # The graph after all optimisations, in which conversions are merged into operators.
        options.optimized_model_filepath = str(file)
        onnxruntime.InferenceSession(proto, options, providers=[provider])
        nodes = onnx.load(file).graph.node

    return [
        node.op_type
        for node in nodes
        if node.op_type.startswith(_PREFIXES) or node.op_type.endswith(_SUFFIXES)
    ]


def quantised(proto: bytes, feeds: Iterable[Mapping[str, NDArray[Any]]]) -> bytes:
    """Quantise a model to int8 by onnxruntime's static quantisation.

    It is signed, with quantise and dequantise nodes and a scale for every output channel.

    Args:
        proto: The serialised model.
        feeds: Inputs by name, in batches, that ranges are calibrated on. Accuracies depend on the
            ranges, latencies do not.

    Returns:
        The serialised quantised model.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.feeds = iter(feeds)

        def get_next(self) -> Any:
            feed = next(self.feeds, None)
            return None if feed is None else dict(feed)

    logger = logging.getLogger()
    level = logger.level
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "fp32.onnx"
        target = Path(folder) / "int8.onnx"
        source.write_bytes(proto)
        # It advises at every call to preprocess the model.
        logger.setLevel(logging.ERROR)
        try:
            quantize_static(
                source,
                target,
                Reader(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            logger.setLevel(level)

        return target.read_bytes()
