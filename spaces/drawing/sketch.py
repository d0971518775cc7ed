"""What a picture of an architecture shows: boxes in rows or layers, and arrows between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spaces.block import Block


@dataclass(frozen=True)
class Box:
    """One box.

    Args:
        title: its first line, such as the candidate's name.
        details: further lines, such as width and stride.
        kind: boxes of one kind have one colour; "" for what is not a choice.
        row: where rows are given, its row from the top.
    """

    title: str
    details: tuple[str, ...] = ()
    kind: str = ""
    row: int | None = None


@dataclass(frozen=True)
class Sketch:
    """Boxes and arrows.

    Args:
        title: over the picture.
        boxes: in the order of execution.
        arrows: (from, to) by index.
        rows: the rows' names, where the boxes stand in rows.
    """

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[tuple[int, int], ...]
    rows: tuple[str, ...] = ()


def chain_sketch(title: str, parts: Sequence[tuple[str, Sequence[Block]]]) -> Sketch:
    """The sketch of a chain: one row for each image size.

    Args:
        title: over the picture.
        parts: (candidate's name, its blocks) in order; "" for what is fixed; no blocks: the input
            passes.
    """
    boxes: list[Box] = []
    rows: list[str] = []
    for name, blocks in parts:
        if not blocks:
            boxes.append(Box(name, ("passes",), kind=name, row=max(len(rows) - 1, 0)))
            continue
        last = blocks[-1].output
        place = " x ".join(map(str, last[1:])) if len(last) > 1 else ""
        if place and (not rows or rows[-1] != place):
            rows.append(place)
        strides = [block.stride for block in blocks if block.stride and block.stride > 1]
        details = (
            *(f"stride {stride}" for stride in strides),
            f"{last[0]} {'channels' if place else 'classes'}",
        )
        title_of = name or " + ".join(_words(block) for block in blocks)
        boxes.append(Box(title_of, details, kind=name, row=max(len(rows) - 1, 0)))
    arrows = tuple((index, index + 1) for index in range(len(boxes) - 1))
    return Sketch(title, tuple(boxes), arrows, tuple(rows))


def _words(block: Block) -> str:
    kernel = f" {block.kernel}x{block.kernel}" if block.kernel else ""
    return f"{block.operator.replace('_', ' ')}{kernel}"
