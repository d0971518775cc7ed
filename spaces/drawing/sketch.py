"""Content of pictures of architectures: boxes in rows or layers, and arrows between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from spaces.block import Block
from spaces.errors import InvalidParameter

Probabilities: TypeAlias = Mapping[str, Mapping[str, float]]
"""Key of a choice or edge -> candidate -> probability."""


@dataclass(frozen=True)
class Box:
    """One box.

    Args:
        title: First line, such as the candidate's name.
        details: Further lines, such as width and stride.
        kind: Kind, which decides the colour; "" for a box that is not a choice.
        row: Row from the top; None for boxes in layers.
        decision: Key of the choice, or of the edge of a search's network, whose candidate `kind`
            the box shows; "" for none.
        edge: Key and candidate of the edge's own weight, where searches may have one.
    """

    title: str
    details: tuple[str, ...] = ()
    kind: str = ""
    row: int | None = None
    decision: str = ""
    edge: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Sketch:
    """Boxes and arrows.

    Args:
        title: Title of the picture.
        boxes: Boxes in the order of execution.
        arrows: (from, to) by index of the box.
        rows: Names of the rows; empty for boxes in layers.
    """

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[tuple[int, int], ...]
    rows: tuple[str, ...] = ()

    def with_decisions(self, keys: Sequence[str]) -> Sketch:
        """Return the sketch with the key of each box's choice, "" for none."""
        boxes = [replace(box, decision=key) for box, key in zip(self.boxes, keys, strict=True)]
        return replace(self, boxes=tuple(boxes))

    def with_probabilities(self, probabilities: Probabilities) -> Sketch:
        """Return the sketch with the probability of each decision as a further line.

        Args:
            probabilities: Key -> candidate -> probability, as a search writes them.

        Raises:
            InvalidParameter: They have none of the sketch's decisions.
        """
        boxes = [_with_probability(box, probabilities) for box in self.boxes]
        if boxes == list(self.boxes):
            keys = ", ".join(list(probabilities)[:3])
            raise InvalidParameter(
                f"the probabilities of {keys} ... are for none of the choices of {self.title}"
            )
        return replace(self, boxes=tuple(boxes))


def _with_probability(box: Box, probabilities: Probabilities) -> Box:
    lines = [
        f"{name} {probabilities[key][candidate]:.2f}"
        for name, key, candidate in (("p", box.decision, box.kind), ("edge", *box.edge))
        if candidate in probabilities.get(key, ())
    ]
    # One line, for which boxes have room.
    return replace(box, details=(*box.details, ", ".join(lines))) if lines else box


def chain_sketch(title: str, parts: Sequence[tuple[str, Sequence[Block]]]) -> Sketch:
    """Sketch a chain with one row for each image size.

    Args:
        title: Title of the picture.
        parts: (candidate's name, its blocks) in order. The name of fixed blocks is ""; a candidate
            without blocks passes its input on.
    """
    boxes: list[Box] = []
    rows: list[str] = []
    for name, blocks in parts:
        if not blocks:
            boxes.append(Box(name, ("passes",), kind=name, row=max(len(rows) - 1, 0)))
            continue

        image_size = _image_size(blocks)
        # A new row where the image shrinks.
        if image_size and (not rows or rows[-1] != image_size):
            rows.append(image_size)
        boxes.append(_box(name, blocks, max(len(rows) - 1, 0)))

    arrows = tuple((index, index + 1) for index in range(len(boxes) - 1))
    return Sketch(title, tuple(boxes), arrows, tuple(rows))


def wired_sketch(
    title: str,
    parts: Sequence[tuple[str, Sequence[Block]]],
    sources: Sequence[tuple[int, ...]],
) -> Sketch:
    """Sketch a network with a head: one row for each image size, and an arrow for each reader.

    Args:
        title: Title of the picture.
        parts: (candidate's name, its blocks) in order, as for `chain_sketch`.
        sources: For each part the numbers of the values that it reads: 0 is the image, and part i
            computes value i + 1.
    """
    boxes: list[Box] = []
    # Rows in the order in which the sizes occur; finer maps of a pyramid return to theirs.
    rows: list[str] = []
    row_of_value = [0]
    for (name, blocks), read in zip(parts, sources, strict=True):
        row = row_of_value[read[0]]
        if blocks:
            image_size = _image_size(blocks)
            if image_size not in rows:
                rows.append(image_size)
            row = rows.index(image_size)
        boxes.append(_box(name, blocks, row) if blocks else Box(name, ("passes",), name, row))
        row_of_value.append(row)

    arrows = tuple(
        (source - 1, index)
        for index, read in enumerate(sources)
        for source in read
        # The image has no box.
        if source
    )
    return Sketch(title, tuple(boxes), arrows, tuple(rows))


def stacked(title: str, sketches: Sequence[Sketch]) -> Sketch:
    """Return sketches below each other, with the number of each in front of its rows.

    Args:
        title: Title of the picture.
        sketches: Sketches of one kind: all with rows, or all in layers.
    """
    boxes: list[Box] = []
    arrows: list[tuple[int, int]] = []
    rows: list[str] = []
    for number, sketch in enumerate(sketches):
        first_box, first_row = len(boxes), len(rows)
        boxes += [
            replace(box, row=None if box.row is None else box.row + first_row)
            for box in sketch.boxes
        ]
        arrows += [(before + first_box, after + first_box) for before, after in sketch.arrows]
        rows += [f"{number}: {row}" for row in sketch.rows]
    return Sketch(title, tuple(boxes), tuple(arrows), tuple(rows))


def _image_size(blocks: Sequence[Block]) -> str:
    """Return height and width of the features after blocks; empty for a vector."""
    return " x ".join(map(str, blocks[-1].output[1:]))


def _box(name: str, blocks: Sequence[Block], row: int) -> Box:
    """Return the box of a candidate, or of fixed blocks, which have no name."""
    strides = [block.stride for block in blocks if block.stride and block.stride > 1]
    details = (
        *(f"stride {stride}" for stride in strides),
        f"{blocks[-1].output[0]} {'channels' if _image_size(blocks) else 'classes'}",
    )
    return Box(name or " + ".join(map(_words, blocks)), details, kind=name, row=row)


def _words(block: Block) -> str:
    kernel = f" {block.kernel}x{block.kernel}" if block.kernel else ""
    return f"{block.operator.replace('_', ' ')}{kernel}"
