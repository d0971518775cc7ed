"""Run a model with choices and record its blocks, counts, shapes and the flow between choices."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from spaces.errors import InvalidArchitecture, InvalidParameter
from spaces.modules.mutable import Mutable
from spaces.modules.nested import tensors_in
from spaces.user_model.block import ModuleBlock
from spaces.user_model.digest import configuration, digest
from spaces.user_model.flow import INPUT, Flow, renewed
from spaces.user_model.inputs import ModelInput
from spaces.user_model.macs import MacCounter
from spaces.user_model.parameters import NetworkParameters
from spaces.user_model.sites import Site
from spaces.user_model.trace import NO_SITE, Call, Trace

_PACKAGE = str(Path(__file__).parents[1])


@dataclass
class _Frame:
    """A module that is being executed."""

    path: str
    macs_before: int
    macs_of_parts: int = 0


@dataclass
class _Executed:
    """A module that was executed, once or several times."""

    macs: int
    shapes: list[tuple[Any, Any]] = field(default_factory=list)


class Tracer:
    """Runs one model with the candidates that `activate` has selected.

    MACs are those of convolutions, matrix products and recurrent layers, inside modules and
    outside; see `MacCounter`. The fused kernels of attention are switched off during the run. No
    other state of the model or the process changes: no statistics, no gradients, no random numbers.

    Args:
        model: Model whose mutables have keys.
        sites: Sites of its mutables.
        example: Inputs of one run.
    """

    def __init__(self, model: nn.Module, sites: Sequence[Site], example: ModelInput):
        self.model = model
        self.sites = sites
        self.example = example
        self._names = {id(module): path for path, module in model.named_modules()}
        self._site = {site.path: index for index, site in enumerate(sites)}
        self._holding = {
            path
            for path, module in model.named_modules()
            if any(isinstance(submodule, Mutable) for submodule in module.modules())
        }
        self._configurations: dict[str, str] = {}

    def site_of(self, path: str) -> int:
        """Return the innermost mutable around the module at `path`; NO_SITE where none is."""
        while path:
            path = path.rpartition(".")[0]
            if path in self._site:
                return self._site[path]
        return NO_SITE

    def run(self) -> Trace:
        """Run one forward pass and record it.

        Raises:
            InvalidArchitecture: The model fails.
            InvalidParameter: The MACs of an operator are not known.
        """
        run = _Run(self)
        with quiet(self.model), run.hooks(), run.counter, run.flow:
            # New tensors: the example's own keep no marks between runs.
            inputs = renewed(self.example.value)
            run.flow.mark(tensors_in(inputs), INPUT)
            output = self._forward(inputs)

        if run.counter.unknown:
            listed = ", ".join(run.counter.unknown)
            raise InvalidParameter(
                f"{type(self.model).__name__}: the MACs of {listed} are not known; register a"
                " formula by torch.utils.flop_counter.register_flop_formula before the space is"
                " made"
            )

        return run.trace(output)

    def check(self) -> None:
        """Run one forward pass without recording it, in a fraction of the time.

        Raises:
            InvalidArchitecture: The model fails.
        """
        with quiet(self.model):
            self._forward(self.example.value)

    def _forward(self, inputs: Any) -> Any:
        try:
            return self.example.run(self.model, inputs)
        except (MemoryError, torch.OutOfMemoryError):
            # The machine is at fault, not the architecture.
            raise
        except Exception as error:
            # The model's code may raise anything, such as its own AssertionError.
            raise InvalidArchitecture(
                f"the model fails with this architecture: {_description(error)}"
            ) from error

    def holds_mutables(self, path: str) -> bool:
        """Return whether the module at `path` is mutable, or has mutable parts."""
        return path in self._holding

    def block(self, operator: str, path: str, executed: _Executed, params: int) -> ModuleBlock:
        """Return the block of the module that was executed at `path`."""
        module = self.model.get_submodule(path)
        if operator == "module" and path not in self._configurations:
            self._configurations[path] = configuration(module)

        description = self._configurations.get(path, type(module).__name__)
        inputs, outputs = executed.shapes[0]

        return ModuleBlock(
            operator,
            inputs[0] if inputs else (),
            outputs[0] if outputs else (),
            name=type(module).__name__.lower(),
            digest=digest(description, executed.shapes, executed.macs, params),
            counted_macs=executed.macs,
            counted_params=params,
        )


class _Run:
    """State of one forward pass."""

    def __init__(self, tracer: Tracer):
        self.tracer = tracer
        self.flow = Flow()
        self.counter = MacCounter(tracer.model.parameters())
        self.stack: list[_Frame] = []
        self.inside: str | None = None
        self.executed: dict[str, _Executed] = {}
        self.edges: dict[int, frozenset[int]] = {}
        self.signatures: dict[int, list[tuple[Any, Any]]] = {}

    @contextlib.contextmanager
    def hooks(self) -> Iterator[None]:
        handles = []
        for path, module in self.tracer.model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                # It accepts no hooks, and counts as a part of its caller.
                continue

            # Before the module's hooks, such as spectral_norm's: they compute as parts of it.
            entering = module.register_forward_pre_hook(
                _entering(self, path), prepend=True, with_kwargs=True
            )
            handles.append(entering)
            handles.append(module.register_forward_hook(_leaving(self, path), with_kwargs=True))

        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def macs(self) -> int:
        return self.counter.macs

    def enter(self, path: str) -> None:
        if self.inside is None:
            self.stack.append(_Frame(path, self.macs()))
            if not self.tracer.holds_mutables(path):
                self.inside = path

    def leave(self, path: str, module: nn.Module, inputs: Any, output: Any) -> Any:
        if self.inside not in (None, path) or not self.stack or self.stack[-1].path != path:
            return None

        frame = self.stack.pop()
        self.inside = None
        macs = self.macs() - frame.macs_before
        if self.stack:
            self.stack[-1].macs_of_parts += macs

        self.flow.bridge(inputs, output)
        shapes = _shapes(inputs), _shapes(output)
        if path in self.tracer._site:
            return self.decide(self.tracer._site[path], inputs, output, shapes)

        executed = self.executed.setdefault(path, _Executed(0))
        executed.macs += macs - frame.macs_of_parts
        executed.shapes.append(shapes)

        return None

    def decide(self, site: int, inputs: Any, output: Any, shapes: tuple[Any, Any]) -> Any:
        """Record a mutable's sources, and mark its outputs as coming from it."""
        node = site + 1
        self.signatures.setdefault(site, []).append(shapes)
        before = self.edges.get(site, frozenset())
        if not shapes[1]:
            # A ValueChoice returns a plain value, and an InputChoice without inputs nothing at all.
            self.edges[site] = before if shapes[0] else before | INPUT
            if not shapes[0]:
                self.flow.mark_value(node)
            return None

        sources = self.flow.sources(tensors_in(output)) or self.flow.sources(tensors_in(inputs))
        self.edges[site] = before | sources - {node}
        # A candidate may return its input, which other modules read too.
        output = renewed(output)
        self.flow.mark(tensors_in(output), frozenset({node}))

        return output

    def trace(self, output: Any) -> Trace:
        calls = [call for call in self.calls() if call is not None]
        signatures = {site: tuple(shapes) for site, shapes in self.signatures.items()}
        return Trace(tuple(calls), self.edges, signatures, _shapes(output))

    def calls(self) -> Iterator[Call | None]:
        """Yield the blocks in the order in which their modules returned."""
        units = [path for path in self.executed if not self.tracer.holds_mutables(path)]
        parameters = NetworkParameters(self.tracer.model)
        params = {path: parameters.take(self.tracer.model.get_submodule(path)) for path in units}
        # Weights of modules with choices that belong to none of their parts.
        remaining = parameters.remaining(self.executed)
        for path, executed in self.executed.items():
            module = self.tracer.model.get_submodule(path)
            count = params.get(path, 0)
            if path in params:
                is_free = not count and not executed.macs and not list(module.buffers())
                # A module without cost that is called several times, such as one ReLU, is no block:
                # it counts as a part of its callers, as torch.relu does.
                if len(executed.shapes) == 1 or not is_free:
                    yield self.call("module", path, executed, count)
            elif executed.macs or remaining.get(path):
                yield self.call("own", path, executed, remaining.get(path, 0))

    def call(self, operator: str, path: str, executed: _Executed, params: int) -> Call:
        return Call(
            path, self.tracer.site_of(path), self.tracer.block(operator, path, executed, params)
        )


def _description(error: Exception) -> str:
    """Return the first line of an error, its type, and the line of the model that raised it."""
    lines = str(error).strip().splitlines()
    torch_folder = str(Path(torch.__file__).parent)
    # The innermost line outside of torch and of this package is the model's.
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((torch_folder, _PACKAGE))
    ]
    position = f", {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    source = f"{type(error).__name__}{position}"

    return f"{lines[0]} ({source})" if lines else source


def _entering(run: _Run, path: str) -> Any:
    def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
        run.enter(path)

    return enter


def _leaving(run: _Run, path: str) -> Any:
    def leave(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        return run.leave(path, module, (args, kwargs), output)

    return leave


def _shapes(value: Any) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of a value's tensors, without the dimension of the batch."""
    return tuple(tuple(tensor.shape[1:]) for tensor in tensors_in(value))


@contextlib.contextmanager
def quiet(model: nn.Module) -> Iterator[None]:
    """Run in evaluation mode without gradients, and restore modes and the global generator."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        for module, training in modes.items():
            module.training = training
