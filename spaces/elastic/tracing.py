"""One run of a network: its modules in order, their shapes, products and dependence on data."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from spaces.elastic.errors import FailedRun, InvalidNetwork
from spaces.modules.nested import mapped, tensors_in
from spaces.operators.layers import Shape
from spaces.user_model.inputs import ModelInput
from spaces.user_model.macs import MacCounter

_TORCH = str(Path(torch.__file__).parent)
_OURS = str(Path(__file__).parents[1])

# Operators whose results have as many elements as the data decide.
_DATA_SIZED = {"nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive"}


@dataclass
class Call:
    """The runs of one module in a pass.

    Args:
        path: Path of the module.
        input: Shape of its first input for one image, at its first run.
        output: Shape of its first output for one image, at its first run.
        macs: Multiply-accumulates of all its runs, without those of modules inside.
        count: Number of runs.
        takes: Its first tensor; kept while removable blocks are looked for.
        arguments: Its positional and keyword arguments.
        returns: Value that it returned.
    """

    path: str
    input: Shape = ()
    output: Shape = ()
    macs: int = 0
    count: int = 0
    takes: Tensor | None = None
    arguments: Any = None
    returns: Any = None

    def without_values(self) -> Call:
        """Return the call without its tensors."""
        return replace(self, takes=None, arguments=None, returns=None)


@dataclass
class _Recorder:
    """Hooks that record calls; module paths are those of the traced model."""

    counter: MacCounter
    calls: dict[str, Call] = field(default_factory=dict)
    stack: list[tuple[str, int, int]] = field(default_factory=list)
    keeps_values: bool = False

    def enter(self, path: str, arguments: Any) -> None:
        call = self.calls.setdefault(path, Call(path))
        call.count += 1
        first = next(tensors_in(arguments), None)
        # A shared module is described by its first run; its products are those of all runs.
        if call.count == 1 and first is not None:
            call.input = tuple(first.shape[1:])
            if self.keeps_values:
                call.takes = first
                call.arguments = arguments

        self.stack.append((path, self.counter.macs, 0))

    def leave(self, path: str, outputs: Any) -> None:
        _, begin, inside = self.stack.pop()
        total = self.counter.macs - begin
        call = self.calls[path]
        call.macs += total - inside

        # The module around counts the rest as its own.
        if self.stack:
            outer, outer_begin, outer_inside = self.stack.pop()
            self.stack.append((outer, outer_begin, outer_inside + total))

        first = next(tensors_in(outputs), None)
        if call.count == 1 and first is not None:
            call.output = tuple(first.shape[1:])
            if self.keeps_values:
                call.returns = outputs


@contextlib.contextmanager
def _hooked(model: nn.Module, recorder: _Recorder) -> Iterator[None]:
    handles = []
    for path, module in model.named_modules():
        handles.append(
            module.register_forward_pre_hook(
                lambda _, args, kwargs, path=path: recorder.enter(path, (args, kwargs)),
                with_kwargs=True,
            )
        )
        handles.append(
            module.register_forward_hook(
                lambda _, args, outputs, path=path: recorder.leave(path, outputs)
            )
        )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def _without_fast_path() -> Iterator[None]:
    """Run layers of transformers by their modules, rather than by one kernel for inference."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def trace(
    model: nn.Module, example: ModelInput, value: Any, *, keeps_values: bool = False
) -> tuple[dict[str, Call], list[Tensor]]:
    """Run a network once and record its modules.

    Args:
        model: Network in evaluation mode.
        example: How the network takes its inputs.
        value: Inputs of one image.
        keeps_values: Whether calls hold their tensors.

    Returns:
        Path -> runs of each module, in the order of their first begin, and the output tensors.

    Raises:
        FailedRun: The network fails; the module is named.
        InvalidNetwork: It has an operator whose products cannot be counted.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    counter = MacCounter(model.parameters())
    recorder = _Recorder(counter, keeps_values=keeps_values)

    # Fused attention is split into its products, which are counted one by one.
    with (
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),
        _without_fast_path(),
        _hooked(model, recorder),
        counter,
    ):
        try:
            outputs = list(tensors_in(example.run(model, value)))
        # Code of users fails with errors of any kind.
        except Exception as error:
            path = recorder.stack[-1][0] if recorder.stack else ""
            raise FailedRun(error, path) from error

    if counter.unknown:
        raise InvalidNetwork(
            f"{type(model).__name__}: the multiply-accumulates of {', '.join(counter.unknown)} are"
            " not known"
        )
    return recorder.calls, outputs


class _DecisionRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the numbers that a pass reads out of tensors, with the line that reads them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.values: list[tuple[str, object]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func._overloadpacket.__name__
        # The operator of `item()`, `bool()`, `int()` and of branches on tensors.
        if name == "_local_scalar_dense":
            self.values.append((_place(), result))
        elif name in _DATA_SIZED:
            sizes = tuple(tuple(tensor.shape) for tensor in tensors_in(result))
            self.values.append((_place(), sizes))
        return result


def _place() -> str:
    """Return the innermost line of code that is neither torch's nor Pathfit's."""
    frames = [
        frame
        for frame in traceback.extract_stack()
        if not frame.filename.startswith((_TORCH, _OURS)) and not frame.filename.startswith("<")
    ]
    if not frames:
        return "an unknown line"
    frame = frames[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno} ({frame.line})"


def check_decisions(model: nn.Module, example: ModelInput, value: Any) -> None:
    """Check that a network does the same whatever its inputs are.

    Args:
        model: Network in evaluation mode.
        example: How the network takes its inputs.
        value: Inputs of one image; runs on their negation and on zeros are compared.

    Raises:
        InvalidNetwork: A number that depends on the inputs decides the computation; the line that
            reads it is named.
    """

    def decisions(change: Any) -> list[tuple[str, object]]:
        recorder = _DecisionRecorder()
        # Whole numbers, such as tokens, have no negation that a network accepts.
        changed = mapped(value, lambda item: change(item) if item.is_floating_point() else item)
        with torch.no_grad(), recorder:
            example.run(model, changed)
        return recorder.values

    expected = decisions(lambda tensor: tensor)
    for change in (torch.neg, torch.zeros_like):
        actual = decisions(change)
        for first, second in zip(expected, actual, strict=False):
            if first != second:
                raise InvalidNetwork(
                    f"{type(model).__name__}: what it computes depends on the data: {first[0]}; a"
                    " network is cut only if each input takes the same path"
                )

        # A loop of another length, for example.
        if len(actual) != len(expected):
            longer = max(expected, actual, key=len)
            raise InvalidNetwork(
                f"{type(model).__name__}: what it computes depends on the data:"
                f" {longer[min(len(expected), len(actual))][0]}; a network is cut only if each"
                " input takes the same path"
            )
