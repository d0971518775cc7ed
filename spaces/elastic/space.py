"""ElasticSpace: the smaller versions of a user's own trained network."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.choice_space import Architectures, Codes
from spaces.elastic import conditions
from spaces.elastic.choices import ElasticChoice, Width, cut_of
from spaces.elastic.counting import Layer, layers_of
from spaces.elastic.coupling import Uncut
from spaces.elastic.cutting import Cut, cut_network
from spaces.elastic.outputs import Outputs
from spaces.elastic.report import Report
from spaces.errors import InvalidParameter
from spaces.space import SearchSpace
from spaces.user_model.block import ModuleBlock
from spaces.user_model.digest import configuration, digest
from spaces.user_model.inputs import ModelInput

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch_geometric.data import Batch, Data

    from spaces.block import Block
    from spaces.elastic.importance import Losses
    from spaces.elastic.supernet import ElasticSupernet
    from spaces.elastic.tracing import Call
    from spaces.heads.geometry import BoxGeometry


class ElasticSpace(SearchSpace):
    """Space of the smaller versions of a trained network, made by `from_network`.

    The first candidate of each choice is the original's. Choices inside of a block that is left out
    are 0. Costs are no sums over choices: the cost of a layer depends on the widths on both sides.

    Args:
        name: Canonical name.
        model: The network, in evaluation mode.
        example: How the network takes its inputs.
        choices: Widths, kernels and blocks.
        layers: Modules with weights or products.
        outputs: Kind of the network's outputs.
        uncut: Layers that stay whole.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from spaces.elastic import from_network
        >>> network = nn.Sequential(
        ...     nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 8, 3), nn.Flatten(), nn.Linear(32, 5)
        ... )
        >>> space = from_network(network, torch.zeros(1, 3, 6, 6))
        >>> [choice.key for choice in space.choices]
        ['0', '2']
        >>> small = space.network(space.architecture({"0": "8", "2": "4"}))
        >>> small[0].weight.shape, small[4].weight.shape
        (torch.Size([8, 3, 3, 3]), torch.Size([5, 16]))
    """

    blocks_are_modules = False

    def __init__(
        self,
        name: str,
        model: nn.Module,
        example: ModelInput,
        choices: Sequence[ElasticChoice],
        layers: Sequence[Layer],
        outputs: Outputs,
        uncut: Sequence[Uncut] = (),
    ):
        # Of several inputs the first; `input_shapes` has all.
        shape: Any = next(iter(example.shapes.values()))
        items = [choice.choice() for choice in choices]
        super().__init__(name, items, shape, outputs.num_classes)
        self.head = outputs.head
        self.outputs = outputs
        self.example = example
        self.elastic_choices = tuple(choices)
        self.layers = tuple(layers)

        self._model = model
        self._uncut = tuple(uncut)
        self._owners = conditions.owners_of(choices)
        self.irregular = any(self._owners)
        self._reductions = [
            np.array(choice.reductions(), dtype=np.int64) for choice in self.elastic_choices
        ]
        self._blocks: dict[tuple[int, tuple[int, ...]], ModuleBlock] = {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ElasticSpace) or other.name != self.name:
            return False
        return other is self or other._digest == self._digest

    def __hash__(self) -> int:
        return hash(self.name)

    def __deepcopy__(self, memo: dict[int, Any]) -> ElasticSpace:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        from spaces.registry import available, get

        # Another space may be registered by the same name.
        if self.name not in available() or self != get(self.name):
            raise InvalidParameter(
                f"the space {self.name!r} is not registered, so that it cannot be pickled: make it"
                f" in a function decorated by @spaces.register_space({self.name!r})"
            )
        return super().__reduce__()

    @cached_property
    def _digest(self) -> str:
        # Weights enter by the orders of channels alone.
        orders = [
            choice.order.tolist() for choice in self.elastic_choices if isinstance(choice, Width)
        ]
        return digest(configuration(self._model), self.choices, orders)

    # Architectures

    @property
    def size(self) -> int:
        """Number of architectures, each counted once."""
        return conditions.count(self._owners, self.candidates.tolist())

    def canonical(self, codes: Codes) -> Codes:
        """Return codes [n, choices] with 0 for choices inside of blocks that are left out."""
        return conditions.canonical(self._owners, codes)

    @property
    def original(self) -> Architecture:
        """The architecture of the original network."""
        return self.architecture([0] * len(self.choices))

    @property
    def smallest(self) -> Architecture:
        """The architecture with the last candidate of every choice."""
        return self.architecture((self.candidates - 1).tolist())

    def head_geometry(self, architecture: Architecture | None = None) -> BoxGeometry | None:
        """Return where the boxes that networks predict lie in the image; None: they predict none.

        It is the network's attribute `geometry`, which cuts do not change.
        """
        return self.outputs.geometry

    @property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name of each tensor that networks take -> shape without the dimension of the batch."""
        return self.example.shapes

    def random_input(
        self, architecture: Architecture, batch: int, generator: torch.Generator
    ) -> Any:
        """Return random inputs of a network, [batch, ...], of the example's structure and types."""
        return self.example.random(batch, generator)

    # Costs

    def steps(self, codes: Codes) -> NDArray[np.int64]:
        """Return the reductions [n, choices] by which sizes shrink; see `counting.Size`."""
        columns = [
            reductions[codes[:, column]] for column, reductions in enumerate(self._reductions)
        ]
        return np.stack(columns, axis=1)

    def _sums(self, field: str, codes: Codes) -> NDArray[np.int64]:
        steps = self.steps(codes)
        total = np.zeros(len(codes), dtype=np.int64)
        for layer in self.layers:
            # A layer inside of a block that is left out costs nothing.
            count = layer.count_macs if field == "macs" else layer.count_params
            total += np.where(layer.present(codes), count(steps), 0)
        return total

    def cost_features(self, codes: Codes, block: int = 1) -> NDArray[np.float64]:
        """Return features [n, features] of codes that a latency is a sum of; see `features`.

        Args:
            codes: Codes [n, choices].
            block: Number of channels that a runtime computes together; 1: single ones.
        """
        from spaces.elastic.features import width_features

        return width_features(self.layers, codes, self.steps(codes), block)

    def blocks(self, architecture: Architecture) -> list[Block]:
        """Return the modules with weights or products that a network executes, in order."""
        codes = self.encode([architecture])
        steps = self.steps(codes)[0]
        return [
            self._block(index, steps)
            for index, layer in enumerate(self.layers)
            if layer.present(codes)[0]
        ]

    def _block(self, index: int, steps: NDArray[np.int64]) -> ModuleBlock:
        layer = self.layers[index]
        # Equal widths of a layer are one block, whatever the other choices are.
        key = index, tuple(int(steps[column]) for column in sorted(layer.columns))
        if key not in self._blocks:
            self._blocks[key] = layer.block(steps.tolist())
        return self._blocks[key]

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """Return the keys of all blocks and how often each occurs, int array [n, keys]."""
        steps = self.steps(codes)
        present = [layer.present(codes) for layer in self.layers]
        rows = [
            [
                self._block(index, steps[row]).key
                for index in range(len(self.layers))
                if present[index][row]
            ]
            for row in range(len(codes))
        ]
        keys = list(dict.fromkeys(itertools.chain(*rows)))

        # Equal layers of a network have one key.
        column = {key: index for index, key in enumerate(keys)}
        counts = np.zeros((len(codes), len(keys)), dtype=np.int32)
        for row, names in enumerate(rows):
            for name in names:
                counts[row, column[name]] += 1

        return keys, counts

    @property
    def all_blocks(self) -> Mapping[str, Block]:
        """Key -> block for the blocks that were counted so far, and those of the original.

        A layer after a concatenation has more widths than could be listed.
        """
        steps = np.zeros(len(self.choices), dtype=np.int64)
        for index in range(len(self.layers)):
            self._block(index, steps)
        return {block.key: block for block in self._blocks.values()}

    def report(self) -> Report:
        """Return the parts of the network that the choices change, and those that stay whole."""
        full = np.zeros((1, len(self.choices)), dtype=np.int64)
        macs = [int(layer.count_macs(full)[0]) for layer in self.layers]
        covered = sum(
            count for layer, count in zip(self.layers, macs, strict=True) if layer.columns
        )
        choices = tuple((choice.key, len(choice.candidates)) for choice in self.choices)
        return Report(sum(macs), covered, choices, self._uncut)

    # Graphs

    def graph(self, architecture: Architecture) -> Data:
        """Return an architecture as a graph for predictors; see `graphs`."""
        return self.graphs([architecture]).get_example(0)

    def graphs(self, architectures: Architectures) -> Batch:
        """Return the graphs of many architectures: the choices in the order of execution."""
        from spaces.graphs.graph import chain_graphs

        return chain_graphs(self, self.codes(architectures))

    # Networks

    def cut(self, codes: Sequence[int] | NDArray[Any]) -> Cut:
        """Return the parts that canonical codes [choices] remove from the network."""
        return cut_of(self.elastic_choices, [int(code) for code in codes])

    def cut_copy(self, model: nn.Module, codes: Sequence[int] | NDArray[Any]) -> nn.Module:
        """Return a smaller copy of a network of the original's shapes, by codes [choices]."""
        return cut_network(model, self.cut(codes))

    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> nn.Module:
        """Return a smaller version of the network, of the same class.

        Args:
            architecture: Architecture of this space.
            num_classes: Number of classes, which must be the network's; None: the network's.
            generator: Not used: the weights are those of the most important channels.

        Raises:
            InvalidParameter: The network has another number of classes.
        """
        self._check_classes(num_classes)
        return self.cut_copy(self._model, self.encode([architecture])[0])

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> ElasticSupernet:
        """Return a copy of the network that runs any architecture with slices of its weights.

        Arguments are those of `network`.
        """
        from spaces.elastic.supernet import ElasticSupernet
        from spaces.modules.copying import copy_module

        self._check_classes(num_classes)
        return ElasticSupernet(self, copy_module(self._model))

    def _replaced(self, **changes: Any) -> ElasticSpace:
        """Return the same space with other arguments of its constructor."""
        fields = {
            "name": self.name,
            "model": self._model,
            "example": self.example,
            "choices": self.elastic_choices,
            "layers": self.layers,
            "outputs": self.outputs,
            "uncut": self._uncut,
        }
        return ElasticSpace(**{**fields, **changes})

    def with_weights(self, model: nn.Module) -> ElasticSpace:
        """Return the same space of a network of the same shapes with other weights."""
        from spaces.modules.copying import copy_module

        return self._replaced(model=copy_module(model).eval())

    def ordered_by(self, losses: Losses) -> ElasticSpace:
        """Return the same space with channels in the order of their importance.

        Args:
            losses: Losses of a network on batches of data; see `importance.taylor_orders`.
        """
        from spaces.elastic.importance import by_importance

        return self._replaced(choices=by_importance(self._model, self.elastic_choices, losses))

    def at_size(self, name: str, example: ModelInput, calls: Mapping[str, Call]) -> ElasticSpace:
        """Return the same space of the network on images of another size.

        Args:
            name: Name of that space.
            example: Image of that size.
            calls: Runs of the modules on it.
        """
        layers = layers_of(self._model, calls, self.elastic_choices)
        return self._replaced(name=name, example=example, layers=layers)

    @property
    def initial_weights(self) -> str:
        """Description of the weights that trainings begin with."""
        return "those of the network's most important channels"

    def _check_classes(self, num_classes: int | None) -> None:
        if num_classes not in (None, self.num_classes):
            raise InvalidParameter(
                f"{self.name} has {self.num_classes} classes, as its network was built, not"
                f" {num_classes}"
            )
