"""Ensembles: several members of one space, whose scores are averaged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.errors import InvalidParameter
from spaces.registry import get, register_space
from spaces.space import Architectures, Codes, SearchSpace

if TYPE_CHECKING:
    import torch
    from torch_geometric.data import Batch, Data

    from spaces.drawing.sketch import Sketch
    from spaces.modules.supernet import Supernet

_MOST_MEMBERS = 16


class EnsembleSpace(SearchSpace):
    """Networks that average the scores of members, each an architecture of one space.

    Members are trained together by the loss of their mean. Their choices are keyed
    `member_NUMBER/KEY`, and costs are the sums over the members. Members in another order are
    another architecture.

    Args:
        name: Canonical name.
        member: Space of each member; its networks score classes of images of one size.
        members: Number of members.

    Raises:
        InvalidParameter: The number is out of range, or the networks of the space return something
            else than scores of an image.
    """

    def __init__(self, name: str, member: SearchSpace, members: int):
        if not 1 <= members <= _MOST_MEMBERS:
            raise InvalidParameter(f"{name}: members must be 1 ... {_MOST_MEMBERS}, not {members}")

        reads_images = list(member.input_shapes) == ["image"] and not member.phases
        if member.head != "classes" or member.resolutions or not reads_images:
            raise InvalidParameter(
                f"{name}: members must score classes of images of one size, unlike {member.name}"
            )

        choices = [
            dataclasses.replace(choice, key=f"member_{number}/{choice.key}")
            for number in range(members)
            for choice in member.choices
        ]
        super().__init__(name, choices, member.input_shape, member.num_classes)
        self.member = member
        self.members = members
        self.irregular = member.irregular
        self.repeats_cells = member.repeats_cells
        self.operations_on_edges = member.operations_on_edges
        self.searches_wiring = member.searches_wiring
        self.widths_follow_wiring = member.widths_follow_wiring
        self.blocks_are_modules = member.blocks_are_modules

    def parts(self, codes: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the codes of each member, [..., choices of a member], in their order."""
        return np.split(codes, self.members, axis=-1)

    def architectures(self, architecture: Architecture) -> list[Architecture]:
        """Return the architecture of each member."""
        codes = self.encode([architecture])[0]
        return [self.member.architecture(part) for part in self.parts(codes)]

    # Architectures

    @property
    def size(self) -> int:
        """Number of architectures."""
        size: int = self.member.size**self.members
        return size

    def valid(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which rows of in-range codes are architectures, bool array [n]."""
        members = np.stack([self.member.valid(part) for part in self.parts(codes)])
        return np.asarray(members.all(0))

    def canonical(self, codes: Codes) -> Codes:
        """Return codes [n, choices] with one form per network."""
        return self._joined(self.member.canonical, codes)

    def isomorphism_keys(self, codes: Codes) -> NDArray[Any]:
        """Return the keys of all members."""
        return np.concatenate([self.member.isomorphism_keys(part) for part in self.parts(codes)], 1)

    def representatives(self, codes: Codes) -> Codes:
        """Return codes with each member's representative."""
        return self._joined(self.member.representatives, codes)

    def _joined(self, function: Callable[[Codes], Codes], codes: Codes) -> Codes:
        columns = [function(np.asfortranarray(part)) for part in self.parts(codes)]
        return np.asfortranarray(np.concatenate(columns, 1), dtype=self.dtype)

    def _draw(self, rng: np.random.Generator, n: int) -> Codes:
        columns = [self.member.sample(rng, n) for _ in range(self.members)]
        return np.asfortranarray(np.concatenate(columns, 1), dtype=self.dtype)

    # Blocks

    @property
    def all_blocks(self) -> Mapping[str, Block]:
        """Key -> block for every block of a member."""
        return self.member.all_blocks

    def blocks(self, architecture: Architecture) -> list[Block]:
        """Return the blocks of the members, one member after the other."""
        return [
            block
            for member in self.architectures(architecture)
            for block in self.member.blocks(member)
        ]

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """Return all block keys and how often each occurs in all members, int array [n, keys]."""
        counted = [self.member.block_counts(np.asfortranarray(part)) for part in self.parts(codes)]
        keys = list(self.all_blocks)
        column = {key: index for index, key in enumerate(keys)}
        counts = np.zeros((len(codes), len(keys)), dtype=np.int32)
        for names, member_counts in counted:
            counts[:, [column[name] for name in names]] += member_counts
        return keys, counts

    # Graphs and pictures: the members next to each other.

    @property
    def operations(self) -> list[str]:
        """Names of the operations of a member."""
        return self.member.operations

    @property
    def positions(self) -> int:
        """Number of positions of all members."""
        return self.members * self.member.positions

    def graph(self, architecture: Architecture) -> Data:
        """Return the graphs of the members as one graph of separate components."""
        return self.graphs([architecture]).get_example(0)

    def graphs(self, architectures: Architectures) -> Batch:
        """Return the graphs of many architectures."""
        from torch_geometric.data import Batch

        batches = [
            self.member.graphs(np.asfortranarray(part))
            for part in self.parts(self.codes(architectures))
        ]
        return Batch.from_data_list(
            [
                self._together([batch.get_example(index) for batch in batches])
                for index in range(batches[0].num_graphs)
            ]
        )

    def _together(self, graphs: Sequence[Data]) -> Data:
        import torch
        from torch_geometric.data import Data

        first_nodes = np.cumsum([0, *(graph.num_nodes for graph in graphs)]).tolist()
        # Inputs have the position 0 in every member.
        positions = [
            torch.where(graph.position > 0, graph.position + number * self.member.positions, 0)
            for number, graph in enumerate(graphs)
        ]
        edges = [
            graph.edge_index + first for graph, first in zip(graphs, first_nodes, strict=False)
        ]
        return Data(
            edge_index=torch.cat(edges, 1),
            operation=torch.cat([graph.operation for graph in graphs]),
            position=torch.cat(positions),
            num_nodes=first_nodes[-1],
        )

    def sketch(self, architecture: Architecture) -> Sketch:
        """Return the pictures of the members, one below the other."""
        from spaces.drawing.sketch import stacked

        members = self.architectures(architecture)
        return stacked(self.name, [self.member.sketch(member) for member in members])

    # Networks

    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.nn.Module:
        """Build the standalone network; its members draw their weights one after the other."""
        import torch

        from spaces.modules.ensemble import EnsembleNetwork

        generator = torch.Generator().manual_seed(0) if generator is None else generator
        return EnsembleNetwork(
            [
                self.member.network(member, num_classes, generator)
                for member in self.architectures(architecture)
            ]
        )

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """Build a supernet for each member; arguments as of `network`."""
        import torch

        from spaces.modules.ensemble import EnsembleSupernet

        generator = torch.Generator().manual_seed(0) if generator is None else generator
        return EnsembleSupernet(
            self, [self.member.supernet(num_classes, generator) for _ in range(self.members)]
        )

    def search_model(self, supernet: Supernet) -> torch.nn.Module | None:
        """Return None: the members' choices have equal keys, which algorithms would tie."""
        return None


@register_space("ensemble")
def ensemble(name: str, /, *, space: str = "spos-tiny", members: int = 2) -> SearchSpace:
    """Build the space of networks that average the scores of several members.

    Args:
        name: Canonical name.
        space: Space of each member, such as `nasbench201(cells=1)`.
        members: Number of members.
    """
    return EnsembleSpace(name, get(space), members)
