"""Export a trained network to ONNX and check it against torch."""

from __future__ import annotations

import inspect
import json
import logging
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from oneshot.data.request import title
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.export.comparison import TOLERANCE, compare
from oneshot.export.decoding import NamedDecoder, decoding_space, short_input
from oneshot.export.inputs import NetworkInputs, as_inputs
from oneshot.run import Run
from oneshot.tasks.registry import DEFAULT
from spaces.errors import PathfitError
from spaces.files import replacing
from spaces.modules.nested import tensors_in, with_tensor_arguments

if TYPE_CHECKING:
    from oneshot.data.images import ImageData

OPSET = 18
OPSETS = range(18, 24)

OUTPUT = "logits"

# Number of images of the data set that the check compares.
_NUM_IMAGES = 16
_BATCH_NORM = "BatchNormalization"


@dataclass(frozen=True)
class Export:
    """Exported model and the result of its check.

    Args:
        path: ONNX file.
        difference: Largest absolute difference from torch's logits, relative to their largest.
        opset: Opset version of ONNX.
        nodes: Number of operators.
        norms: Number of batch normalisations among the operators.
        images: Number of images of the data set that were compared, in addition to random ones; 0
            if the data set is not available.
    """

    path: Path
    difference: float
    opset: int = OPSET
    nodes: int = 0
    norms: int = 0
    images: int = 0


def export(
    run: Run,
    path: str | Path,
    *,
    opset: int = OPSET,
    fold_bn: bool = False,
    raw: bool = False,
    cache: bool = False,
) -> Export:
    """Check a run's network under onnxruntime and write it as ONNX with a dynamic batch size.

    Args:
        run: Trained run of the kind `network`.
        path: ONNX file to write; its metadata is that of `described`.
        opset: Opset version of ONNX, one of `OPSETS`.
        fold_bn: Whether to fold batch normalisations into the convolutions before them.
        raw: Whether the file has the network's own outputs where its task would decode them, as
            those of a detector.
        cache: Whether the file decodes one token with a cache of any length, of networks of text:
            the cached keys and values are inputs, and outputs that have the token's as well.

    Raises:
        InvalidOption: The opset is not one of `OPSETS`, the task decodes nothing, or the network
            has no cache.
        InvalidRun: The exported model's logits differ from torch's; nothing is written.
    """
    if opset not in OPSETS:
        raise InvalidOption(f"opset must be from {OPSETS[0]} to {OPSETS[-1]}, not {opset}")

    model = run.load()
    decoding = run.task.exported(model)
    if decoding is None and raw:
        raise InvalidOption(
            f"raw: outputs of the task {run.settings.task} are never decoded; leave it out"
        )
    if decoding is not None and not raw:
        model = decoding

    space = decoding_space(run.space) if cache else run.space
    inputs = NetworkInputs.from_space(space, run.architecture)
    if cache:
        model = NamedDecoder(model, list(inputs.names))

    try:
        data = run.data()
        images = data.test.tensors(range(min(_NUM_IMAGES, len(data.test))))[0]
        shape = run.space.input_shape_of(run.architecture)
        # Windows of text may be longer than what a network reads at once.
        if shape != run.input_shape:
            images = images[..., : shape[-1]]
    # The machine that exports a network need not have its data set.
    except PathfitError:
        data = None
        images = None

    # A model that fails the check never replaces an existing file.
    with replacing(path) as temporary_path:
        metadata = described(run, data)
        write_onnx(model, inputs, temporary_path, metadata, opset=opset, fold_bn=fold_bn)
        # Whole texts are no inputs of a step; another length of the cache is compared instead.
        further = [short_input(run.space, run.architecture)] if cache else images
        difference = compare(model, inputs, temporary_path, further)

        # Negated so that NaN fails too.
        if not difference <= TOLERANCE:
            raise InvalidRun(
                f"{run.folder}: the exported model differs from torch by {difference:.2g}"
            )
        nodes = operators(temporary_path)

    return Export(
        Path(path),
        difference,
        opset,
        nodes.total(),
        nodes[_BATCH_NORM],
        0 if images is None or cache else len(images),
    )


def described(run: Run, data: ImageData | None) -> dict[str, str]:
    """Return the metadata that a model's user needs.

    Args:
        run: Run of the kind `network`.
        data: Data set of the run; None to use the record in the run.

    Returns:
        `architecture` and `pathfit` (the version); `task`, unless it is classification; `data`, the
        recorded data set without the folder of the images; `classes`, a JSON list of names;
        `preprocessing`, a JSON object of layout, input_shape (channels, height, width) and, if the
        data set defines them, colours, mean, deviation and resizing. Of a model of several inputs
        it has their shapes, `inputs`.
    """
    settings = run.settings

    # The run's record takes precedence: the data set may have changed since the training.
    classes = settings.classes or (list(data.classes) if data is not None else [])
    recorded = settings.preprocessing
    if recorded is None and data is not None and data.preprocessing is not None:
        recorded = data.preprocessing.to_dict()
    preprocessing = {**(recorded or {})}
    shapes = run.space.input_shapes
    if len(shapes) == 1:
        preprocessing |= {"layout": "NCHW", "input_shape": list(run.input_shape)}
    else:
        preprocessing["inputs"] = {name: list(shape) for name, shape in shapes.items()}

    # Files without the entry are of classifications.
    task = {} if settings.task == DEFAULT else {"task": settings.task}
    return {
        "architecture": run.architecture.to_json(),
        "data": json.dumps({**settings.data, "name": title(settings.data["name"])}),
        "classes": json.dumps(list(classes)),
        "preprocessing": json.dumps(preprocessing),
        "pathfit": settings.version,
        **task,
    }


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
