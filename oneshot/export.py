"""Export of a trained network to ONNX, checked against torch."""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from oneshot.errors import InvalidRun
from oneshot.run import Run
from spaces.files import replacing

OPSET = 18
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Export:
    """An exported model.

    Args:
        path: the ONNX file.
        difference: largest absolute difference to torch's logits, relative to their largest.
    """

    path: Path
    difference: float


def export(run: Run, path: str | Path) -> Export:
    """Write a run's network as ONNX with a dynamic batch, after checking it under onnxruntime.

    Args:
        run: of kind `network`, trained.
        path: of the ONNX file; its metadata holds the architecture and the data set.

    Raises:
        InvalidRun: the exported model does not compute what torch computes; nothing is written.
    """
    model = run.load()
    shape = run.input_shape
    metadata = {
        "architecture": run.architecture.to_json(),
        "data": json.dumps(run.settings["data"]),
        "pathfit": str(run.settings["version"]),
    }
    with replacing(path) as beside:
        _write(model, shape, beside, metadata)
        difference = compare(model, shape, beside)
        if not difference <= TOLERANCE:
            raise InvalidRun(f"{run.folder}: the exported model differs from torch by {difference:.2g}")
    return Export(Path(path), difference)


def _write(model: nn.Module, shape: tuple[int, int, int], path: Path, metadata: dict[str, str]) -> None:
    import onnx

    example = (torch.zeros(2, *shape),)
    with warnings.catch_warnings():
        # The exporter of the pinned torch uses what its own dependencies call deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            model,
            example,
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    for key, value in metadata.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())


def compare(model: nn.Module, shape: tuple[int, int, int], path: Path) -> float:
    """The largest difference between onnxruntime's logits and torch's at batches 1 and 3, relative to the largest."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for batch in (1, 3):
        image = torch.randn(batch, *shape, generator=torch.Generator().manual_seed(batch))
        with torch.inference_mode():
            expected = model(image).numpy()
        (found,) = session.run(None, {"image": image.numpy()})
        worst = max(worst, float(np.abs(np.asarray(found) - expected).max() / np.abs(expected).max()))
    return worst


def metadata_of(path: str | Path) -> dict[str, Any]:
    """What `export` wrote into a model's metadata: architecture, data, pathfit."""
    import onnx

    return {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
