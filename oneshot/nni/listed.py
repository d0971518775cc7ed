"""A space of which only the choices are known, as NNI's search-space files list them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from spaces.choice import Choice
from spaces.errors import InvalidArchitecture
from spaces.space import SearchSpace

if TYPE_CHECKING:
    from spaces.block import Block


class ListedSpace(SearchSpace):
    """Choices without what they build: it can be searched, but has no costs and no networks.

    Args:
        choices: in the order of the file.
    """

    def __init__(self, choices: Sequence[Choice]):
        super().__init__("nni", choices, (0, 0, 0), 0)

    def blocks(self, architecture: object) -> NoReturn:
        """Unknown."""
        self._unknown()

    def block_counts(self, codes: object) -> NoReturn:
        """Unknown."""
        self._unknown()

    @property
    def all_blocks(self) -> Mapping[str, Block]:
        """Unknown."""
        self._unknown()

    def graph(self, architecture: object) -> NoReturn:
        """Unknown."""
        self._unknown()

    def graphs(self, architectures: object) -> NoReturn:
        """Unknown."""
        self._unknown()

    def network(
        self, architecture: object, num_classes: object = None, generator: object = None
    ) -> NoReturn:
        """Unknown."""
        self._unknown()

    def supernet(self, num_classes: object = None, generator: object = None) -> NoReturn:
        """Unknown."""
        self._unknown()

    def _unknown(self) -> NoReturn:
        raise InvalidArchitecture(
            "of this space only a search-space file of NNI is known, not its networks; give the"
            " tuner its space"
        )
