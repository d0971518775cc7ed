"""Export of a trained network to ONNX, checked against torch."""

from __future__ import annotations

import json
import logging
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from oneshot.data.request import title
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.run import Run
from spaces.errors import PathfitError
from spaces.files import replacing

if TYPE_CHECKING:
    from oneshot.data.images import ImageData

OPSET = 18
OPSETS = range(18, 24)
TOLERANCE = 1e-3
INPUT, OUTPUT = "image", "logits"
_REAL = 16  # images of the data set that the check takes
_NORM = "BatchNormalization"


@dataclass(frozen=True)
class Export:
    """An exported model.

    Args:
        path: the ONNX file.
        difference: largest absolute difference to torch's logits, relative to their largest.
        opset: of ONNX.
        nodes: how many operators it has.
        norms: batch normalisations among them.
        images: real ones that were compared, beside random ones; 0 where the data set is not at
            hand.
    """

    path: Path
    difference: float
    opset: int = OPSET
    nodes: int = 0
    norms: int = 0
    images: int = 0


def export(run: Run, path: str | Path, *, opset: int = OPSET, fold_bn: bool = False) -> Export:
    """Write a run's network as ONNX with a dynamic batch, after checking it under onnxruntime.

    Args:
        run: of kind `network`, trained.
        path: of the ONNX file; its metadata holds what `described` gives.
        opset: of ONNX, one of `OPSETS`.
        fold_bn: whether batch normalisations become part of the convolutions that they follow.

    Raises:
        InvalidOption: there is no such opset.
        InvalidRun: the exported model does not compute what torch computes; nothing is written.
    """
    if opset not in OPSETS:
        raise InvalidOption(f"opset must be from {OPSETS[0]} to {OPSETS[-1]}, not {opset}")
    model, shape = run.load(), run.input_shape
    try:
        data = run.data()
        images = data.test.tensors(range(min(_REAL, len(data.test))))[0]
    except PathfitError:  # the data set need not be where the network is exported
        data, images = None, None
    with replacing(path) as beside:
        write_onnx(model, shape, beside, described(run, data), opset=opset, fold_bn=fold_bn)
        difference = compare(model, shape, beside, images)
        if not difference <= TOLERANCE:
            raise InvalidRun(
                f"{run.folder}: the exported model differs from torch by {difference:.2g}"
            )
        nodes = operators(beside)
    return Export(
        Path(path),
        difference,
        opset,
        nodes.total(),
        nodes[_NORM],
        0 if images is None else len(images),
    )


def described(run: Run, data: ImageData | None) -> dict[str, str]:
    """What a model's user must know, as its metadata.

    Args:
        run: of kind `network`.
        data: its data set; None: what the run recorded of it.

    Returns:
        architecture, pathfit (version); data: what the run recorded, without the folder of the
        images; classes: JSON list of names; preprocessing: JSON object of layout, input_shape
        (channels, height, width), and, where the data set says so, colours, mean, deviation,
        resizing.
    """
    settings = run.settings
    classes = settings.classes or (list(data.classes) if data is not None else [])
    known = settings.preprocessing
    if known is None and data is not None and data.preprocessing is not None:
        known = data.preprocessing.to_dict()
    preprocessing = {**(known or {}), "layout": "NCHW", "input_shape": list(run.input_shape)}
    return {
        "architecture": run.architecture.to_json(),
        "data": json.dumps({**settings.data, "name": title(settings.data["name"])}),
        "classes": json.dumps(list(classes)),
        "preprocessing": json.dumps(preprocessing),
        "pathfit": settings.version,
    }


def write_onnx(
    model: nn.Module,
    shape: tuple[int, int, int],
    path: Path,
    metadata: Mapping[str, str],
    *,
    opset: int = OPSET,
    fold_bn: bool = False,
) -> None:
    """Write a network as ONNX with a dynamic batch; `compare` tells whether it computes the same.

    Args:
        model: in evaluation mode.
        shape: of an image.
        path: of the ONNX file.
        metadata: key -> text.
        opset: of ONNX.
        fold_bn: as of `export`.

    Raises:
        InvalidRun: the model cannot be said in this opset.
    """
    import onnx
    import onnx_ir.passes.common as common

    with warnings.catch_warnings():
        # The exporter of the pinned torch uses what its own dependencies call deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            model,
            (torch.zeros(2, *shape),),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            opset_version=opset,
            dynamo=True,
            verbose=False,
            optimize=False,
        )
        assert program is not None
        _simplify(program.model, fold_bn)
        # Where in its maker's folders each operator was called from.
        common.ClearMetadataAndDocStringPass()(program.model)
    proto = program.model_proto
    given = {entry.version for entry in proto.opset_import if not entry.domain}
    if given != {opset}:
        raise InvalidRun(
            f"the model cannot be said in opset {opset}; without --opset it is {OPSET}"
        )
    for key, value in metadata.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())


def _simplify(model: Any, fold_bn: bool) -> None:
    """Compute what is constant, join operators; with `fold_bn` also normalisation with the
    convolution before it.
    """
    import onnx_ir.passes.common as passes
    from onnx_ir.passes import PassManager
    from onnxscript import optimizer, rewriter
    from onnxscript.rewriter.rules import common

    if fold_bn:
        optimizer.optimize_ir(model)
        return
    rules = [
        common.collapse_slice_rule,
        common.collapse_slice2_rule,
        common.materialize_reshape_shape_rule,
    ]
    for _ in range(2):
        optimizer.fold_constants_ir(model)
        rewriter.rewrite(model, rules)
    parts = [
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.DeduplicateInitializersPass(),
        passes.CommonSubexpressionEliminationPass(),
        passes.RemoveUnusedNodesPass(),
    ]
    PassManager(parts)(model)


def compare(
    model: nn.Module,
    shape: tuple[int, int, int],
    path: Path,
    images: Tensor | Sequence[Tensor] | None = None,
) -> float:
    """The largest difference between onnxruntime's logits and torch's, relative to the largest
    logit.

    Args:
        model: in evaluation mode.
        shape: of an image; random ones are compared at batches of 1 and 3.
        path: of the ONNX file.
        images: [n, channels, height, width], compared too.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    batches = [
        torch.randn(count, *shape, generator=torch.Generator().manual_seed(count))
        for count in (1, 3)
    ]
    worst = 0.0
    for batch in [*batches, *([images] if isinstance(images, Tensor) else images or [])]:
        with torch.inference_mode():
            expected = model(batch).numpy()
        (found,) = session.run(None, {INPUT: batch.contiguous().numpy()})
        difference = float(np.abs(np.asarray(found) - expected).max() / np.abs(expected).max())
        worst = max(worst, difference) if difference == difference else difference
    return worst


def operators(path: str | Path) -> Counter[str]:
    """How often a model has each operator."""
    import onnx

    return Counter(node.op_type for node in onnx.load(str(path)).graph.node)


def metadata_of(path: str | Path) -> dict[str, Any]:
    """What `export` wrote into a model's metadata: architecture, data, classes, preprocessing,
    pathfit.
    """
    import onnx

    return {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
