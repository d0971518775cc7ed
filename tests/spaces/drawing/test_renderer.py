"""Pictures of architectures."""

import itertools
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import spaces
from spaces.drawing.layout import HEIGHT, WIDTH, place
from spaces.drawing.renderer import colours, dot_source, draw
from spaces.drawing.sketch import Box, Sketch
from spaces.errors import InvalidParameter

CELL = Sketch(
    "cell",
    (Box("in"), Box('a "1"', kind="conv"), Box("b", kind="skip"), Box("out")),
    ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3)),
)


def test_chains_show_operations_widths_and_strides() -> None:
    architecture = spaces.published("proxyless-gpu")
    sketch = spaces.get(architecture.space).sketch(architecture)
    boxes = sketch.boxes
    assert sketch.rows == ("112 x 112", "56 x 56", "28 x 28", "14 x 14", "7 x 7")
    assert [box.title for box in boxes[2:-2]] == [candidate for _, candidate in architecture]
    assert boxes[2].details == ("stride 2", "32 channels")
    assert boxes[3].details == ("passes",)
    assert boxes[-1].details == ("1000 classes",)
    assert sketch.arrows == tuple((index, index + 1) for index in range(len(boxes) - 1))
    assert sketch.title == architecture.space


def test_one_kind_has_one_colour() -> None:
    colour = colours(CELL)
    assert set(colour) == {"", "conv", "skip"}
    assert len(set(colour.values())) == 3


PICTURES = ["ofa-flops-389m", "darts-v2", "nasbench101-inception", "nasbench201-best-cifar10"]


def sketches() -> list[Sketch]:
    published = [spaces.published(name) for name in PICTURES]
    return [CELL, *(spaces.get(one.space).sketch(one) for one in published)]


@pytest.mark.parametrize("sketch", sketches(), ids=["cell", *PICTURES])
def test_boxes_do_not_overlap_and_arrows_pass_beside_them(sketch: Sketch) -> None:
    layout = place(sketch)
    spots = layout.spots
    assert len(spots) == len(sketch.boxes)
    for index, (x, y) in enumerate(spots):
        for x2, y2 in spots[:index]:
            assert abs(x - x2) >= WIDTH - 1e-9 or abs(y - y2) >= HEIGHT - 1e-9
    for arrow, route in zip(sketch.arrows, layout.routes, strict=True):
        for (x1, y1), (x2, y2) in itertools.pairwise(route):
            for share in np.linspace(0, 1, 21):
                x, y = x1 + share * (x2 - x1), y1 + share * (y2 - y1)
                for box, (left, middle) in enumerate(spots):
                    inside = (
                        abs(x - left) < WIDTH / 2 - 1e-6 and abs(y - middle) < HEIGHT / 2 - 1e-6
                    )
                    assert not inside, (arrow, box)


def test_arrows_begin_and_end_at_their_boxes() -> None:
    layout = place(CELL)
    for (before, after), route in zip(CELL.arrows, layout.routes, strict=True):
        assert route[0] == (layout.spots[before][0] + WIDTH / 2, layout.spots[before][1])
        assert route[-1] == (layout.spots[after][0] - WIDTH / 2, layout.spots[after][1])
        assert route[0][0] < route[-1][0]


def test_pictures_of_cells_show_their_operations() -> None:
    architecture = spaces.published("nasbench201-best-cifar10")
    sketch = spaces.get(architecture.space).sketch(architecture)
    shown = sorted(box.kind for box in sketch.boxes if box.kind)
    assert shown == sorted(name for _, name in architecture if name != "none")
    space = spaces.get("nasbench201")
    dead = space.architecture(
        {
            "edge_0_1": "none",
            "edge_0_2": "none",
            "edge_1_2": "nor_conv_1x1",
            "edge_0_3": "nor_conv_3x3",
            "edge_1_3": "none",
            "edge_2_3": "skip_connect",
        }
    )
    details = {box.kind: box.details for box in space.sketch(dead).boxes if box.kind}
    assert details == {
        "nor_conv_3x3": (),
        "nor_conv_1x1": ("no effect",),
        "skip_connect": ("no effect",),
    }
    cells = spaces.get("darts").sketch(spaces.published("darts-v2"))
    assert sum(box.details == ("stride 2",) for box in cells.boxes) == 5


def test_svg_holds_every_title(tmp_path: Path) -> None:
    path = tmp_path / "cell.svg"
    draw(CELL, path, "matplotlib")
    ElementTree.parse(path)
    text = path.read_text()
    assert 'a "1"' in text or "a &quot;1&quot;" in text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("ending", "begin"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")]
)
def test_the_ending_is_the_format(tmp_path: Path, ending: str, begin: bytes) -> None:
    path = tmp_path / f"cell.{ending}"
    draw(CELL, path, "matplotlib")
    assert path.read_bytes().startswith(begin)


def test_wrong_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"ends in svg, png, pdf, not .*cell\.gif"):
        draw(CELL, tmp_path / "cell.gif")
    assert not list(tmp_path.iterdir())


def test_dot_source_has_every_box_and_arrow() -> None:
    source = dot_source(CELL)
    assert [f"n{before} -> n{after};" in source for before, after in CELL.arrows] == [True] * 5
    assert 'label="a \\"1\\""' in source
    assert source.count("fillcolor") == 4


def test_graphviz_draws_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cell.svg"
    if shutil.which("dot"):
        draw(CELL, path)
        assert "graphviz" in path.read_text().lower()
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(InvalidParameter, match="graphviz is not installed"):
        draw(CELL, path, "graphviz")
    draw(CELL, path)
    assert "matplotlib" in path.read_text().lower()
