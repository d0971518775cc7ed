"""Content of pictures of architectures: boxes in rows or layers, and arrows between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spaces.block import Block


@dataclass(frozen=True)
class Box:
    """One box.

    Args:
        title: First line, such as the candidate's name.
        details: Further lines, such as width and stride.
        kind: Kind, which decides the colour; "" for a box that is not a choice.
        row: Row from the top; None for boxes in layers.
    """

    title: str
    details: tuple[str, ...] = ()
    kind: str = ""
    row: int | None = None


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

        last = blocks[-1].output
        image_size = " x ".join(map(str, last[1:])) if len(last) > 1 else ""

        # A new row where the image shrinks.
        if image_size and (not rows or rows[-1] != image_size):
            rows.append(image_size)

        strides = [block.stride for block in blocks if block.stride and block.stride > 1]
        details = (
            *(f"stride {stride}" for stride in strides),
            f"{last[0]} {'channels' if image_size else 'classes'}",
        )
        box_title = name or " + ".join(_words(block) for block in blocks)
        boxes.append(Box(box_title, details, kind=name, row=max(len(rows) - 1, 0)))

    arrows = tuple((index, index + 1) for index in range(len(boxes) - 1))
    return Sketch(title, tuple(boxes), arrows, tuple(rows))


def _words(block: Block) -> str:
    kernel = f" {block.kernel}x{block.kernel}" if block.kernel else ""
    return f"{block.operator.replace('_', ' ')}{kernel}"
