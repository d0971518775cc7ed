"""Search space of a user's own model with choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.choice import Choice
from spaces.errors import InvalidArchitecture, InvalidBlock, InvalidParameter
from spaces.space import Architectures, Codes, SearchSpace
from spaces.user_model.block import ModuleBlock
from spaces.user_model.conditions import ALWAYS, Chains, canonical, count
from spaces.user_model.exploration import explore
from spaces.user_model.factors import Factors, Placement
from spaces.user_model.runs import ModelRuns
from spaces.user_model.trace import Trace

if TYPE_CHECKING:
    import torch
    from torch_geometric.data import Batch, Data

    from spaces.drawing.sketch import Sketch
    from spaces.user_model.network import ModelNetwork
    from spaces.user_model.supernet import ModelSupernet

# Up to so many architectures are all run to list every block, where the space has at most so many
# codes, canonical or not.
_MOST_ENUMERATED = 2048
_MOST_CODES = 1 << 20
# Of larger spaces, so many architectures are run, and so many of these are random.
_MOST_EXPLORED = 4096
_SAMPLED = 64


class ModelSpace(SearchSpace):
    """Search space of a user's own model, made by `from_model`.

    Choices are in the order of module paths; a choice inside a candidate that is not selected is 0.
    Blocks are the outermost modules without choices that the model calls. The computations of a
    module with choices outside its parts (a matrix product, or weights of its own) are a block
    `own ...` after them. MACs and parameters are exactly those of the frozen network; see
    `spaces.user_model.tracer.Tracer` for the operations that are counted.

    Counting is vectorised where the model has `factors`; otherwise each architecture is run once
    and its run remembered. Combinations of candidates with which the model then fails, such as by
    an assertion of its own, are no architectures: they are refused and never sampled. In such a
    space of more than 2048 architectures, `all_blocks` has the blocks that
    `spaces.user_model.exploration` meets and those of all architectures counted since.

    Args:
        name: Canonical name.
        choices: Choices of the model.
        conditions: Conditions under which each choice has an effect.
        runs: Runs of the model.
        num_classes: Number of classes of the model's output.
        factors: Blocks that each candidate adds; None where they depend on other choices.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> import spaces
        >>> heads = [nn.Linear(4, 2), nn.Sequential(nn.ReLU(), nn.Linear(4, 2))]
        >>> choice = spaces.LayerChoice(heads, key="head")
        >>> space = spaces.from_model(nn.Sequential(choice), torch.zeros(1, 4))
        >>> isinstance(space, ModelSpace), space.choices[0].key
        (True, 'head')
        >>> space.freeze(space.architecture([0]))
        Sequential(
          (0): Linear(in_features=4, out_features=2, bias=True)
        )
    """

    def __init__(
        self,
        name: str,
        choices: Sequence[Choice],
        conditions: Sequence[Chains],
        runs: ModelRuns,
        num_classes: int,
        factors: Factors | None = None,
    ):
        example = runs.tracer.example
        # Of several inputs the first; `input_shapes` has all.
        shape: Any = next(iter(example.shapes.values()))
        SearchSpace.__init__(self, name, choices, shape, num_classes)
        self.conditions = tuple(conditions)
        self.factors = factors
        self.counts_by_running = factors is None
        self.irregular = any(chains != ALWAYS for chains in self.conditions)
        self._runs = runs

    def __eq__(self, other: object) -> bool:
        # Two models of one class have one name, and are registered at most once.
        if not isinstance(other, ModelSpace) or (other.name, other.choices) != (
            self.name,
            self.choices,
        ):
            return False
        return other is self or other._digest == self._digest

    def __hash__(self) -> int:
        return hash(self.name)

    def __deepcopy__(self, memo: dict[int, Any]) -> ModelSpace:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        from spaces.registry import available, get

        # Another space may be registered by the same name.
        if self.name.partition("(")[0] not in available() or self != get(self.name):
            raise InvalidParameter(
                f"the space {self.name!r} is not registered, so that it cannot be pickled: make it"
                f" in a function decorated by @spaces.register_space({self.name!r})"
            )
        return super().__reduce__()

    def random_input(
        self, architecture: Architecture, batch: int, generator: torch.Generator
    ) -> Any:
        """Return random inputs of a network, [batch, ...], of the example's structure and types.

        Floats are normally distributed, integers drawn from the example's values. Masks, next to
        other inputs, are the example's.

        Args:
            architecture: Architecture of the network.
            batch: Batch size.
            generator: Random generator.
        """
        return self._runs.tracer.example.random(batch, generator)

    @property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name of each tensor that the model takes -> shape without the dimension of the batch."""
        return self._runs.tracer.example.shapes

    @cached_property
    def _digest(self) -> str:
        from spaces.user_model.digest import configuration, digest

        # One input has the digest that it had before models could have several.
        inputs = self.input_shape if len(self.input_shapes) == 1 else self.input_shapes
        return digest(configuration(self._runs.tracer.model), inputs)

    @property
    def size(self) -> int:
        """Number of architectures, each counted once.

        Without factors it includes those with which the model fails.
        """
        return count(self.conditions, [len(choice.candidates) for choice in self.choices])

    def canonical(self, codes: Codes) -> Codes:
        """Return codes [n, choices] with 0 for choices inside candidates that are not selected."""
        return canonical(self.conditions, codes)

    def valid(self, codes: Codes) -> NDArray[np.bool_]:
        """Return with which of in-range codes [n, choices] the model runs, bool array [n]."""
        if self.factors is not None:
            return np.ones(len(codes), dtype=bool)
        rows = self.canonical(codes)
        return np.array([self._runs.works(row) for row in rows], dtype=bool)

    def why_invalid(self, codes: NDArray[Any]) -> str:
        """Return the model's error with codes [choices], after the candidates."""
        try:
            self.trace(self.canonical(codes[None])[0])
        except InvalidArchitecture as error:
            return str(error)
        return super().why_invalid(codes)

    def probes(self, rng: np.random.Generator, n: int) -> Codes:
        """Sample canonical codes [n, choices], also ones with which the model fails."""
        return self.canonical(self._draw(rng, n))

    def trace(self, codes: NDArray[Any]) -> Trace:
        """Return the run of the model with canonical codes [choices].

        Raises:
            InvalidArchitecture: The model fails; the candidates are named.
        """
        try:
            return self._runs.trace(codes)
        except InvalidArchitecture as error:
            named = {
                choice.key: choice.candidates[code]
                for choice, code in zip(self.choices, codes, strict=True)
            }
            raise InvalidArchitecture(f"{self.name} {named}: {error}") from error

    def blocks(self, architecture: Architecture) -> list[Block]:
        """Return the blocks that `network(architecture)` executes, in the order of returns."""
        return [call.block for call in self.trace(self.encode([architecture])[0]).calls]

    @property
    def all_blocks(self) -> dict[str, Block]:
        """Key -> block for every block; see the class for spaces without factors."""
        return {**(self._of_factors if self.factors is not None else self._explored)}

    @cached_property
    def _of_factors(self) -> dict[str, ModuleBlock]:
        return self.factors.blocks() if self.factors is not None else {}

    @property
    def _explored(self) -> dict[str, ModuleBlock]:
        return dict(self._runs.blocks) if self._exploration else {}

    @cached_property
    def _exploration(self) -> int:
        """Number of architectures that were run to find the blocks."""
        if self.size <= _MOST_ENUMERATED and math.prod(self.candidates.tolist()) <= _MOST_CODES:
            # The valid ones only: a combination may break an assertion of the model.
            for codes in self.enumerate_codes():
                for row in codes:
                    self.trace(row)
            return self.size
        for row in self.sample(np.random.default_rng(0), _SAMPLED):
            self.trace(row)

        def run(row: NDArray[Any]) -> Trace | None:
            try:
                return self.trace(self.canonical(row[None])[0])
            except InvalidArchitecture:
                return None

        start = np.zeros(len(self.choices), dtype=np.int16)
        return explore(start, self.places, self.candidates.tolist(), run, _MOST_EXPLORED)

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """Return the keys of all blocks and the number of each in each network, [n, keys]."""
        if self.factors is not None:
            keys = list(self._of_factors)
            return keys, self.factors.counts(codes, keys)
        traces = [self.trace(row) for row in codes]
        column = {key: index for index, key in enumerate(self._explored)}
        counts = np.zeros((len(codes), len(column)), dtype=np.int32)
        for row, trace in enumerate(traces):
            for call in trace.calls:
                counts[row, column[call.block.key]] += 1
        return list(column), counts

    # Graphs: a node for each executed mutable, and edges along which tensors flowed.

    def graph(self, architecture: Architecture) -> Data:
        """Return an architecture as a graph for predictors; see `graphs`."""
        return self.graphs([architecture]).get_example(0)

    def graphs(self, architectures: Architectures) -> Batch:
        """Return the graphs of many architectures, built at once.

        A node is a mutable that is executed, with the position of its choice; mutables with equal
        keys are separate nodes. An edge leads to it from each choice, or the input, whose output
        reaches it in a run without a choice in between. A ValueChoice has an edge from the input,
        and one to the node where its value is used next.
        """
        from spaces.user_model.graphs import model_graphs

        return model_graphs(self, self.codes(architectures))

    def sketch(self, architecture: Architecture) -> Sketch:
        """Return the picture of an architecture: executed choices, and the flow between them."""
        from spaces.user_model.graphs import model_sketch

        return model_sketch(self, architecture)

    # Models and modules.

    def freeze(self, architecture: Architecture) -> torch.nn.Module:
        """Return a copy of the model with only this architecture's modules, and their weights."""
        return self._frozen(architecture)[0]

    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> ModelNetwork:
        """Return the frozen model as `.model`, with modules aligned to its blocks as `.blocks`.

        A module that the model calls several times is one block, at its first call.

        Args:
            architecture: Architecture of this space.
            num_classes: Number of classes, which must be the model's; None: the model's.
            generator: Source of new weights for modules that have `reset_parameters`; None: the
                model's weights are copied. Frozen parameters, and all weights of a pretrained
                model, are copied in any case.

        Raises:
            InvalidParameter: The model has another number of classes.
        """
        from spaces.user_model.network import ModelNetwork, reset

        self._check_classes(num_classes)
        model, blocks = self._frozen(architecture)
        if generator is not None and not self._runs.pretrained:
            reset(model, generator)
        return ModelNetwork(model, blocks, self._runs.tracer.example.passing)

    def _frozen(self, architecture: Architecture) -> tuple[torch.nn.Module, list[torch.nn.Module]]:
        from spaces.user_model.freeze import freeze

        codes = self.encode([architecture])[0]
        trace = self.trace(codes)
        model = self.model()
        self._runs.activate(model, codes)
        blocks = [model.get_submodule(call.path) for call in trace.calls]
        return freeze(model), blocks

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> ModelSupernet:
        """Return a copy of the model that runs any architecture; arguments as for `network`."""
        from spaces.user_model.network import reset
        from spaces.user_model.supernet import ModelSupernet

        self._check_classes(num_classes)
        model = self.model()
        if generator is not None and not self._runs.pretrained:
            reset(model, generator)
        return ModelSupernet(self, model, self._runs.tracer.example.passing)

    @property
    def initial_weights(self) -> str:
        """Description of the weights that trainings begin with."""
        from spaces.user_model.network import frozen_parameters

        if self._runs.pretrained:
            return "all weights of the model"

        count = len(frozen_parameters(self._runs.tracer.model))
        frozen_text = f", {count} frozen tensors are the model's" if count else ""
        return (
            f"drawn from the seed{frozen_text}; spaces.from_model(..., pretrained=True) keeps all"
        )

    def block_module(self, block: Block) -> torch.nn.Module:
        """Return a copy of the module of a block with its weights, as a profiler runs it.

        Raises:
            InvalidBlock: The block is not of this space, or has no module of its own (`own ...`).
        """
        if block.key not in self.all_blocks or block.operator != "module":
            raise InvalidBlock(f"{self.name} has no module that is the block {block.key!r}")
        return self._runs.block_module(block.key)

    def model(self) -> torch.nn.Module:
        """Return a copy of the model whose mutables have keys and no decisions."""
        return self._runs.model()

    @property
    def places(self) -> Sequence[Placement]:
        """The mutables, in module order."""
        return self._runs.places

    def _check_classes(self, num_classes: int | None) -> None:
        if num_classes not in (None, self.num_classes):
            raise InvalidParameter(
                f"{self.name} has {self.num_classes} classes, as its model was built, not"
                f" {num_classes}; build the model with {num_classes} classes and make a space of it"
            )
