"""A space with every kind of choice, registered while these tests run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spaces import registry
from spaces.choice import Choice, Combination, Values
from spaces.space import SearchSpace

CHOICES = (
    Choice("op", ("a", "b", "c")),
    Choice("numbered", ("1", "0")),
    Combination.from_inputs("any", ("x", "y", "z"), None),
    Combination.from_inputs("two", ("0", "1", "2"), 2),
    Combination.from_inputs("one", ("p", "q"), 1),
    Values.from_values("width", (8, 16, 0.5, "wide", (1, 2))),
)


class Mixed(SearchSpace):
    """A space that is only chosen from and never built."""


Mixed.__abstractmethods__ = frozenset()


@pytest.fixture(scope="module")
def mixed() -> Iterator[SearchSpace]:
    """A space of layer, input and value choices."""
    with registry.SPACES.preserved():

        @registry.register_space("mixed")
        def build(name: str, /) -> SearchSpace:
            return Mixed(name, CHOICES, (3, 32, 32), 10)

        yield registry.get("mixed")


@pytest.fixture(scope="session")
def nni_data(reference_data: Path) -> Path:
    """The folder of NNI's files."""
    return reference_data / "nni"
