"""SearchSpace: ordered choices together with the blocks, costs and networks that they build."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spaces.architecture import Architecture
from spaces.block_space import BlockSpace
from spaces.choice import Choice
from spaces.choice_space import Architectures as Architectures
from spaces.choice_space import ChoiceSpace
from spaces.choice_space import Codes as Codes
from spaces.errors import InvalidArchitecture, InvalidParameter

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch_geometric.data import Batch, Data

    from spaces.drawing.sketch import Sketch
    from spaces.graphs.relaxed import RelaxedGraphs
    from spaces.heads.attached import WaitingValues, WiredBlocks
    from spaces.heads.geometry import BoxGeometry
    from spaces.modules.supernet import Supernet


class SearchSpace(BlockSpace, ABC):
    """A set of networks, described by ordered choices.

    Args:
        name: Canonical name; `spaces.get(name)` returns an equal space.
        choices: Open decisions, in the order of the columns of the codes.
        input_shape: Shape of one image, (channels, height, width).
        num_classes: Number of classes that `blocks`, `macs` and `params` are counted with.

    Example:
        >>> import spaces
        >>> space = spaces.get("nasbench201")
        >>> space.size
        15625
        >>> architecture = space.architecture([3, 3, 3, 1, 3, 2])
        >>> space.macs(architecture), space.params(architecture)
        (153272960, 1073466)
    """

    # Capabilities, which other packages test in place of the space's class

    head = "classes"
    """Kind of the networks' head, which a task needs: `classes`, `boxes` or `mask`."""

    is_chain = False
    """Whether every network is a sequence of blocks, each of which reads the previous one only."""

    repeats_cells = False
    """Whether graphs show cells that are repeated over the network rather than all its layers."""

    searches_wiring = False
    """Whether choices connect the vertices of a cell, whose numbers are then arbitrary."""

    widths_follow_wiring = False
    """Whether the channels of operations depend on a cell's wiring, which graphs do not show."""

    blocks_are_modules = True
    """Whether networks have the modules of their blocks as the attribute `blocks`.

    It is False for networks of a user's own class, whose attributes are the user's.
    """

    repeats_blocks = False
    """Whether the modules of blocks run several times in a pass, such as once for each token."""

    operations_on_edges = False
    """Whether operations belong to the edges of a cell and its nodes add up what arrives.

    Graphs then have one node per edge; see `spaces.graphs.graph`.
    """

    waiting_values: WaitingValues | None = None
    """How many values wait while each block runs, where a head reads several features.

    None for chains, where none wait, and where the number depends on the architecture.
    """

    resolutions: tuple[int, ...] = ()
    """Input sizes in pixels that the first choice selects from; empty if the size is fixed."""

    phases: tuple[str, ...] = ()
    """Phases that networks run in and that are measured separately; empty: there is one only.

    Of text they are `prefill`, which reads a prompt, and `decode`, which reads one token with a
    cache; see `at_phase`.
    """

    def __init__(
        self,
        name: str,
        choices: Sequence[Choice],
        input_shape: tuple[int, int, int],
        num_classes: int,
    ):
        super().__init__(name, choices)
        self.input_shape = input_shape
        self.num_classes = num_classes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        from spaces.registry import get

        # Another process rebuilds the space from its name, so that no code object is pickled.
        return get, (self.name,)

    @property
    def has_layers(self) -> bool:
        """Whether choices are layers in the order of execution, as those of a chain are."""
        return self.is_chain

    @property
    def initial_weights(self) -> str:
        """Description of the weights that trainings begin with; empty if the seed draws all."""
        return ""

    @property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name of each tensor that networks take -> shape without the dimension of the batch.

        They are in the order of the tensors of `random_input`.
        """
        return {"image": self.input_shape}

    # Inputs and heads

    def input_shape_of(self, architecture: Architecture) -> tuple[int, int, int]:
        """Return the shape of one image for a network, (channels, height, width).

        It is the space's, unless the resolution is a choice.
        """
        return self.input_shape

    def example_shape_of(self, architecture: Architecture) -> tuple[int, int, int]:
        """Return the shape of the examples that a network is trained and tested with.

        It is that of the network's input, unless networks take others as well.
        """
        return self.input_shape_of(architecture)

    def for_vocabulary(self, size: int) -> SearchSpace:
        """Return the space whose networks read and predict `size` tokens.

        By default it is the space itself, because its networks read no tokens.
        """
        return self

    def head_geometry(self, architecture: Architecture | None = None) -> BoxGeometry | None:
        """Return where the boxes that networks predict lie in the image.

        Networks and supernets have it as the attribute `geometry`.

        Args:
            architecture: Architecture of a network, where the input size is a choice; None: the
                largest size.

        Returns:
            Levels, strides and anchors; None where networks predict no boxes.
        """
        return None

    def input_names(self, architecture: Architecture) -> list[str]:
        """Return the names of the tensors that a network takes, in the order of `random_input`."""
        return list(self.input_shapes)

    def random_input(
        self, architecture: Architecture, batch: int, generator: torch.Generator
    ) -> Any:
        """Return random inputs of a network: images [batch, ...], normally distributed.

        Networks of several inputs take them in a tuple or dictionary.

        Args:
            architecture: Architecture of the network.
            batch: Batch size.
            generator: Random generator.
        """
        import torch

        return torch.randn(batch, *self.input_shape_of(architecture), generator=generator)

    def wired_blocks(
        self, architecture: Architecture, num_classes: int | None = None
    ) -> WiredBlocks | None:
        """Return the blocks of a network with a head, and what each of them reads.

        Args:
            architecture: Architecture of this space.
            num_classes: Number of classes. None: the space's.

        Returns:
            The wired blocks; None unless a head reads several features of a backbone.
        """
        return None

    # Phases and resolutions

    def at_phase(self, phase: str, length: int | None = None) -> SearchSpace:
        """Return the space with the blocks, costs and networks of one of its `phases`.

        Args:
            phase: Name of the phase.
            length: Number of tokens of the prompt or of the cache. None: the longest context.

        Raises:
            InvalidArchitecture: The space has no phases.
        """
        raise InvalidArchitecture(f"networks of {self.name} run in one phase only, not in {phase}")

    def at(self, code: int) -> SearchSpace:
        """Return the space of one of the `resolutions`, given by its code.

        Raises:
            InvalidArchitecture: The input size is no choice of this space.
        """
        raise InvalidArchitecture(f"{self.name} has one input size only; code {code} selects none")

    # Graphs and pictures

    @property
    def operations(self) -> list[str]:
        """Names of the operations; in graphs the operation with index i has the label i + 1."""
        return list(dict.fromkeys(name for choice in self.choices for name in choice.candidates))

    @property
    def positions(self) -> int:
        """Number of positions of the nodes of graphs, without 0 for inputs."""
        return len(self.choices)

    @abstractmethod
    def graph(self, architecture: Architecture) -> Data:
        """Return the architecture as a graph for predictors; see `spaces.graphs.graph`."""

    @abstractmethod
    def graphs(self, architectures: Architectures) -> Batch:
        """Return the graphs of many architectures, built at once."""

    def relaxed_graphs(self, probabilities: Sequence[Tensor]) -> RelaxedGraphs | None:
        """Build the graphs of independent distributions over candidates, differentiably.

        Args:
            probabilities: For each choice a distribution, float [n, candidates].

        Returns:
            The relaxed graphs; None if graphs of this space cannot be relaxed.
        """
        return None

    def sketch(self, architecture: Architecture) -> Sketch:
        """Return the content of the architecture's picture; see `spaces.drawing.renderer`."""
        # A space without a picture of its own shows the executed blocks in a row.
        from spaces.drawing.sketch import chain_sketch

        return chain_sketch(self.name, [("", [block]) for block in self.blocks(architecture)])

    # Networks

    @abstractmethod
    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.nn.Module:
        """Build the standalone network.

        Args:
            architecture: Architecture of this space.
            num_classes: Number of classes of the classifier. None: the space's.
            generator: Source of the initial weights. None: a new one with seed 0.
        """

    @abstractmethod
    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """Build the network that holds the weights of every candidate.

        Args:
            num_classes: Number of classes of the classifier. None: the space's.
            generator: Source of the initial weights. None: a new one with seed 0.
        """

    @property
    def search_space(self) -> SearchSpace:
        """Space of the network in which the publication searches for architectures of this space.

        By default the space itself. Where it is another one, its `derive` returns architectures of
        this space.
        """
        return self

    def partial_search_space(self, channel_divisor: int, edge_weights: bool) -> SearchSpace:
        """Return the space of a search network with a part of the channels in its mixtures.

        PC-DARTS: Xu et al., ICLR 2020 (arXiv 1907.05737).

        Args:
            channel_divisor: Ratio of the channels to those that go through a mixture.
            edge_weights: Whether the edges of a node are weighted by probabilities.

        Raises:
            InvalidParameter: The space has no operations on edges, or the divisor does not divide
                its channels.
        """
        raise InvalidParameter(
            f"{self.name}: partial channels need a space of cells with operations on edges, such as"
            " darts or nasbench201"
        )

    def covers(self, space: SearchSpace) -> bool:
        """Return whether a supernet of this space runs the architectures of `space`.

        The network of a search runs those of the space that it searches for; `codes_for` converts
        their codes.
        """
        return space == self or (space == self.network_space and space.choices == self.choices)

    def has_topologies_of(self, space: SearchSpace) -> bool:
        """Return whether networks of `space` are those of this space but for sizes such as widths.

        By default they are where both have the same choices.
        """
        return space.choices == self.choices

    def codes_for(self, space: SearchSpace, codes: Codes) -> Codes:
        """Return the codes in this space of the networks of a space, [n, choices].

        By default they are the same.

        Args:
            space: Space that this one covers, or whose topologies it has.
            codes: Codes in that space.
        """
        return codes

    @property
    def network_space(self) -> SearchSpace:
        """Space of the architectures that `derive` returns; by default the space itself."""
        return self

    affine_supernet = False
    """Whether the batch normalisation of the published supernet learns scale and shift.

    Where it is False, `supernet` leaves both out as SPOS does, unless they are part of its modules.
    """

    search_keys_are_choices = True
    """Whether the LayerChoices of `search_model` are keyed as the choices of the space."""

    def search_model(self, supernet: Supernet) -> torch.nn.Module | None:
        """Return the model whose LayerChoices an algorithm mixes, samples or decides.

        Args:
            supernet: Supernet of this space, whose modules the model shares.

        Returns:
            By default the supernet itself; None if there is no such model.
        """
        return supernet

    def derive(self, probabilities: Mapping[str, Tensor]) -> Architecture:
        """Derive an architecture from a search over a model with keys of its own.

        Only called if `search_keys_are_choices` is False.

        Args:
            probabilities: Key of a LayerChoice of `search_model` -> probabilities [candidates].
        """
        raise NotImplementedError(f"{self.name}: search_keys_are_choices is False without derive")


def require_networks(space: ChoiceSpace) -> SearchSpace:
    """Return `space` itself if its networks are known.

    Raises:
        InvalidArchitecture: Only the choices of the space are known, not its networks.
    """
    if not isinstance(space, SearchSpace):
        raise InvalidArchitecture(
            f"of the space {space.name} only the choices are known, not its networks or their"
            " costs; give the space that was searched"
        )
    return space
