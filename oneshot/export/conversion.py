"""Convert networks of torch to ONNX, with a dynamic batch size."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidRun
from oneshot.export.inputs import NetworkInputs, as_inputs
from spaces.modules.nested import tensors_in, with_tensor_arguments

OPSET = 18
OPSETS = range(18, 24)

OUTPUT = "logits"


def write_onnx(
    model: nn.Module,
    inputs: NetworkInputs | tuple[int, ...],
    path: Path,
    metadata: Mapping[str, str],
    *,
    opset: int = OPSET,
    fold_bn: bool = False,
) -> None:
    """Write a network as ONNX with a dynamic batch size, without checking it (see `compare`).

    Args:
        model: Network in evaluation mode.
        inputs: Inputs of the network, or the channels, height and width of an image.
        path: ONNX file to write.
        metadata: Metadata of the model, key -> text.
        opset: Opset version of ONNX.
        fold_bn: Whether to fold batch normalisations into the convolutions before them.

    Raises:
        InvalidRun: The model cannot be converted, or not to this opset.
    """
    import onnx
    import onnx_ir.passes.common as common

    with warnings.catch_warnings():
        # The exporter of the pinned torch uses what its own dependencies call deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)

        program = _convert(model, as_inputs(inputs), opset)
        _simplify(program.model, fold_bn)

        # The exporter records source locations, with folders of this machine, for every operator.
        common.ClearMetadataAndDocStringPass()(program.model)

    proto = program.model_proto

    # The exporter keeps its own opset, with a warning, if it cannot convert the model.
    versions = {entry.version for entry in proto.opset_import if not entry.domain}
    if versions != {opset}:
        raise InvalidRun(
            f"opset: the model cannot be converted to {opset}; without --opset it is {OPSET}"
        )

    _forget_counts(proto)
    for key, value in metadata.items():
        entry = proto.metadata_props.add()
        entry.key = key
        entry.value = value

    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())


def _forget_counts(proto: Any) -> None:
    """Remove the shapes of values whose length depends on the boxes that a suppression leaves.

    The exporter states the greatest length, which runtimes could take for the actual one.
    """
    found = {node.output[0] for node in proto.graph.node if node.op_type == "NonMaxSuppression"}
    for node in proto.graph.node:
        # The result of a scatter has the shape of its first input.
        if found & set(node.input) and node.op_type != "ScatterND":
            found |= set(node.output)
    known = [value for value in proto.graph.value_info if value.name not in found]
    del proto.graph.value_info[:]
    proto.graph.value_info.extend(known)


def _convert(model: nn.Module, inputs: NetworkInputs, opset: int) -> torch.onnx.ONNXProgram:
    """Return a model as torch converts it; raises InvalidRun if its code cannot be converted."""
    # An example of two images: a batch of one would be exported as a constant.
    network, arguments = with_tensor_arguments(model, inputs.make(2))
    try:
        program = torch.onnx.export(
            network,
            arguments,
            input_names=list(inputs.names),
            output_names=_output_names(network, arguments),
            dynamic_shapes=_dynamic_sizes(network, inputs),
            opset_version=opset,
            dynamo=True,
            verbose=False,
            optimize=False,
        )
    # The code of a user's model may raise anything, and so does torch's on what it cannot convert.
    except Exception as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise InvalidRun(f"the network cannot be converted to ONNX: {reason}") from error

    assert program is not None
    return program


def _output_names(network: nn.Module, arguments: tuple[Tensor, ...]) -> list[str]:
    """Return the names of a network's output tensors, numbered where they have none."""
    with torch.inference_mode():
        outputs = network(*arguments)
    if isinstance(outputs, Mapping) and all(isinstance(key, str) for key in outputs):
        return list(outputs)
    count = len(list(tensors_in(outputs)))
    return [OUTPUT] if count == 1 else [f"{OUTPUT}_{index}" for index in range(count)]


def _dynamic_sizes(model: nn.Module, inputs: NetworkInputs) -> tuple[Any, ...]:
    """Return the dynamic shapes of `torch.export` for a model of tensors [b, ...]."""
    batch = torch.export.Dim("batch", min=1)
    batches = tuple(
        # The greatest length follows from the model's own check.
        {0: batch, inputs.lengths[name]: torch.export.Dim.DYNAMIC}
        if name in inputs.lengths
        else {0: batch}
        for name in inputs.names
    )
    (first, *_) = inspect.signature(model.forward).parameters.values()

    # torch.export takes the arguments of `forward(self, *inputs)` as one tuple.
    return (batches,) if first.kind is inspect.Parameter.VAR_POSITIONAL else batches


def _simplify(model: Any, fold_bn: bool) -> None:
    """Fold constants and remove redundant operators.

    With `fold_bn`, also fold batch normalisations into the convolutions before them.
    """
    import onnx_ir.passes.common as passes
    from onnx_ir.passes import PassManager
    from onnxscript import optimizer, rewriter
    from onnxscript.rewriter.rules import common

    # The default optimisation folds batch normalisations, so without `fold_bn` its other steps are
    # applied one by one.
    if fold_bn:
        optimizer.optimize_ir(model)
        return

    rules = [
        common.collapse_slice_rule,
        common.collapse_slice2_rule,
        common.materialize_reshape_shape_rule,
    ]

    # The rewritten slices and shapes contain constants that a second pass folds.
    for _ in range(2):
        optimizer.fold_constants_ir(model)
        rewriter.rewrite(model, rules)

    simplifications = [
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.DeduplicateInitializersPass(),
        passes.CommonSubexpressionEliminationPass(),
        passes.RemoveUnusedNodesPass(),
    ]
    PassManager(simplifications)(model)


def operators(path: str | Path) -> Counter[str]:
    """Return the number of occurrences of each operator in a model."""
    import onnx

    return Counter(node.op_type for node in onnx.load(str(path)).graph.node)
