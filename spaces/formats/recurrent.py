"""Genotypes of recurrent cells, as DARTS and its descendants print them.

The form is `Genotype(recurrent=[('relu', 0), ('tanh', 1), ...], concat=range(1, 9))` with an
activation and an earlier state for each node (quark0/darts, rnn/genotypes.py). State 0 is the
cell's first one. `concat` names the nodes whose mean is the output: all, or those that no other
node reads.
"""

from __future__ import annotations

import re

from spaces.architecture import Architecture
from spaces.choice_space import ChoiceSpace
from spaces.errors import InvalidArchitecture, InvalidFile
from spaces.formats.format import Source
from spaces.formats.genotype import looks_like_genotype, read_entries, read_fields
from spaces.registry import get

_RECURRENT = re.compile(r"\brecurrent\s*=")
_NODE = re.compile(r"node_(\d+)_activation")


class DartsRecurrent:
    """Genotypes of recurrent cells; the space is `rnn` with as many nodes where none is named."""

    def detects(self, text: str, value: object) -> bool:
        """Return whether a text is the genotype of a recurrent cell."""
        return looks_like_genotype(text) and _RECURRENT.search(text) is not None

    def read(self, source: Source) -> Architecture:
        """Return the architecture of a genotype.

        Raises:
            InvalidFile: A field is missing or of the wrong kind, or the output is neither the mean
                of all nodes nor that of the loose ends.
            InvalidArchitecture: The cell does not belong to the space.
        """
        fields = read_fields(source.text)
        for name in ("recurrent", "concat"):
            if name not in fields:
                raise InvalidFile(f"the genotype lacks {name!r}")

        entries = read_entries("recurrent", fields["recurrent"], 2)
        ends_only = _ends_only(entries, fields["concat"])
        space = source.space or get(
            "rnn", nodes=max(2, len(entries)), output="ends" if ends_only else "all"
        )
        _check_space(space, len(entries), ends_only)

        choices: dict[str, str] = {}
        for node, (activation, state) in enumerate(entries, 1):
            if node > 1:
                choices[f"node_{node}_input"] = str(state)
            choices[f"node_{node}_activation"] = activation
        return space.architecture(choices)

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        """Return the genotype of an architecture.

        Raises:
            InvalidArchitecture: The space has no recurrent cells.
        """
        choices = architecture.choices
        count = _num_nodes(space)
        entries = [
            (
                choices[f"node_{node}_activation"],
                # The first node reads the first state.
                int(choices.get(f"node_{node}_input", 0)),
            )
            for node in range(1, count + 1)
        ]
        ends_only = getattr(space, "ends_only", False)
        outputs = _loose_ends(entries) if ends_only else list(range(1, count + 1))
        return f"Genotype(recurrent={entries!r}, concat={outputs!r})"


def _ends_only(entries: list[tuple[str, int]], concat: object) -> bool:
    """Return whether the output leaves out the nodes that others read.

    Raises:
        InvalidFile: It is neither that nor all nodes, or a node reads a later state.
    """
    for position, (_, state) in enumerate(entries):
        if not 0 <= state <= position:
            raise InvalidFile(
                f"recurrent[{position}]: state {state} is not one of 0 ... {position}"
            )

    ends = _loose_ends(entries)
    nodes = list(range(1, len(entries) + 1))
    if not isinstance(concat, list | tuple) or list(concat) not in (nodes, ends):
        raise InvalidFile(
            f"concat must be all nodes, {nodes}, or the loose ends, {ends}, not {concat!r:.60}"
        )
    return list(concat) != nodes


def _loose_ends(entries: list[tuple[str, int]]) -> list[int]:
    """Return the numbers of the nodes that no node reads."""
    read = {state for _, state in entries}
    return [node for node in range(1, len(entries) + 1) if node not in read]


def _check_space(space: ChoiceSpace, count: int, ends_only: bool) -> None:
    nodes = _num_nodes(space)
    if count != nodes:
        raise InvalidArchitecture(
            f"recurrent: a cell of {space.name} has {nodes} nodes, not {count}"
        )
    if ends_only != getattr(space, "ends_only", ends_only):
        form = "the loose ends" if ends_only else "all nodes"
        raise InvalidArchitecture(
            f"concat: the output is the mean of {form}, unlike that of {space.name}; its option"
            " output is all or ends"
        )


def _num_nodes(space: ChoiceSpace) -> int:
    """Return the number of nodes of a space's cells.

    Raises:
        InvalidArchitecture: The space has no recurrent cells.
    """
    nodes = sum(_NODE.fullmatch(choice.key) is not None for choice in space.choices)
    if not nodes:
        raise InvalidArchitecture(
            f"recurrent genotypes are for cells like those of rnn, not {space.name}"
        )
    return nodes
