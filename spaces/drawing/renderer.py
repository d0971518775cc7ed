"""Pictures of sketches by graphviz where it is installed, and otherwise by matplotlib."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spaces.drawing.layout import HEIGHT, WIDTH, Point, place
from spaces.drawing.sketch import Sketch
from spaces.errors import InvalidParameter
from spaces.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENDINGS = ("svg", "png", "pdf")

_PALETTE = "9ecae1 fdae6b a1d99b bcbddc fc9272 d9d9a0 c7e9f1 e5c494 f4b6d2 b3cde3"
_COLOURS = [f"#{colour}" for colour in _PALETTE.split()]
_FIXED = "#e8e8e8"
_WITHOUT_EFFECT = "#ffffff"
_LINE = "#555555"
# Details of boxes that compute nothing.
_IDLE = (("passes",), ("no effect",))


def draw(sketch: Sketch, path: str | Path, engine: str | None = None) -> None:
    """Draw a sketch.

    Args:
        sketch: Sketch to draw.
        path: File of the picture; its ending (svg, png or pdf) is the format.
        engine: graphviz or matplotlib; None: graphviz where it is installed.

    Raises:
        InvalidParameter: The ending is another, or the engine is not installed.
    """
    ending = Path(path).suffix[1:].lower()
    if ending not in ENDINGS:
        raise InvalidParameter(f"a picture's name ends in {', '.join(ENDINGS)}, not {str(path)!r}")

    dot = shutil.which("dot")
    if engine == "graphviz" and dot is None:
        raise InvalidParameter("graphviz is not installed: its command dot was not found")

    with replacing(path) as temporary:
        # Without graphviz, which pip does not install, matplotlib draws Pathfit's own layout.
        if engine != "matplotlib" and dot is not None:
            command = [dot, f"-T{ending}", "-o", str(temporary)]
            subprocess.run(
                command, input=dot_source(sketch), text=True, check=True, capture_output=True
            )
        else:
            _by_matplotlib(sketch, temporary, ending)


def colours(sketch: Sketch) -> dict[str, str]:
    """Return kind -> colour."""
    kinds = sorted({box.kind for box in sketch.boxes if box.kind})
    return {
        "": _FIXED,
        **{kind: _COLOURS[index % len(_COLOURS)] for index, kind in enumerate(kinds)},
    }


def dot_source(sketch: Sketch) -> str:
    """Return a sketch in graphviz's language."""
    colour = colours(sketch)
    lines = ["digraph architecture {", "  rankdir=LR; labelloc=t; nodesep=0.25; ranksep=0.35;"]
    lines.append(f"  label={_quoted(sketch.title)}; fontname=sans;")
    lines.append('  node [shape=box, style="rounded,filled", fontname=sans, fontsize=11];')
    for index, box in enumerate(sketch.boxes):
        text = "\\n".join(_escaped(line) for line in (box.title, *box.details))
        lines.append(f'  n{index} [label="{text}", fillcolor="{colour[box.kind]}"];')

    for before, after in sketch.arrows:
        # An arrow to the next row must not push its end to the right.
        is_same_row = sketch.boxes[before].row == sketch.boxes[after].row
        lines.append(f"  n{before} -> n{after}{'' if is_same_row else ' [constraint=false]'};")

    if sketch.rows:
        lines += _ranks(sketch)
    return "\n".join([*lines, "}"]) + "\n"


def _ranks(sketch: Sketch) -> list[str]:
    # An invisible column of the rows' first boxes keeps rows under each other.
    firsts = [
        next(i for i, box in enumerate(sketch.boxes) if box.row == row)
        for row in range(len(sketch.rows))
    ]
    return [f"  {{rank=same; {' '.join(f'n{first};' for first in firsts)}}}"]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _by_matplotlib(sketch: Sketch, path: Path, ending: str) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    layout = place(sketch)
    points = [*layout.spots, *(point for route in layout.routes for point in route)]
    xs = [x for x, _ in points]
    ys = [y for _, y in points]
    # Rows have their names to the left of the boxes.
    left_edge = min(xs) - WIDTH / 2 - (1.2 if sketch.rows else 0.2)
    right = max(xs) + WIDTH / 2 + 0.2
    bottom = min(ys) - HEIGHT / 2 - 0.2
    top = max(ys) + HEIGHT / 2 + 0.5

    figure = Figure(figsize=(right - left_edge, top - bottom))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(left_edge, right)
    axes.set_ylim(bottom, top)
    axes.set_axis_off()

    axes.text((left_edge + right) / 2, top - 0.1, sketch.title, ha="center", va="top", fontsize=11)
    for row, name in enumerate(sketch.rows):
        height = next(
            spot[1] for box, spot in zip(sketch.boxes, layout.spots, strict=True) if box.row == row
        )
        axes.text(left_edge + 0.1, height, name, va="center", fontsize=9, color=_LINE)
    for route in layout.routes:
        _arrow(axes, route)
    colour = colours(sketch)
    for box, spot in zip(sketch.boxes, layout.spots, strict=True):
        _box(
            axes,
            spot,
            (box.title, *box.details),
            _WITHOUT_EFFECT if box.details[:1] in _IDLE else colour[box.kind],
        )

    # Text stays text in SVG, so that it can be searched.
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(path, format=ending, dpi=110)


def _box(axes: Axes, spot: tuple[float, float], lines: tuple[str, ...], colour: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = spot
    corner = (x - WIDTH / 2 + 0.06, y - HEIGHT / 2 + 0.06)
    style = "round,pad=0.06,rounding_size=0.1"
    axes.add_patch(
        FancyBboxPatch(
            corner, WIDTH - 0.12, HEIGHT - 0.12, style, facecolor=colour, edgecolor=_LINE, zorder=2
        )
    )

    for index, line in enumerate(lines):
        height = y + ((len(lines) - 1) / 2 - index) * 0.2
        size = 9 if index == 0 else 7.5
        axes.text(x, height, line, ha="center", va="center", fontsize=size, zorder=3)


def _arrow(axes: Axes, route: Sequence[Point]) -> None:
    axes.plot([x for x, _ in route[:-1]], [y for _, y in route[:-1]], color=_LINE, lw=0.9, zorder=1)
    style = {"arrowstyle": "-|>", "color": _LINE, "lw": 0.9, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", route[-1], route[-2], arrowprops=style, zorder=1)
