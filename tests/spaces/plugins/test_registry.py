"""Names, look-ups and options of a Registry; entry points of every kind in another process."""

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spaces.errors import InvalidBlock, InvalidFile, InvalidParameter, InvalidPlugin, UnknownName
from spaces.plugins import BUILT_IN, Registry, load_file
from spaces.plugins.loading import registering_from

ROOT = Path(__file__).resolve().parents[3]

Shapes = Registry[Callable[..., str]]


def square(*, width: int = 1) -> str:
    """Draw a square.

    Args:
        width: Length of a side.
    """
    return f"{width} x {width}"


def circle() -> str:
    return "round"


@pytest.fixture
def shapes() -> Shapes:
    registry = Shapes(
        "shape",
        "tests.shapes",
        {"count": "spaces.files:read_text", "gone": "no_such_package.module:shape"},
        aliases={"box": "square"},
    )
    registry.register("square")(square)
    return registry


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Name and value of the installed entry points."""
    points: list[tuple[str, str]] = []

    def find(group: str) -> list[importlib.metadata.EntryPoint]:
        return [importlib.metadata.EntryPoint(name, value, group) for name, value in points]

    monkeypatch.setattr(importlib.metadata, "entry_points", find)
    return points


def test_names_begin_with_the_table(shapes: Shapes) -> None:
    assert shapes.names() == list(shapes) == ["count", "gone", "square"]
    assert len(shapes) == 3


def test_contains_names_and_aliases(shapes: Shapes) -> None:
    assert "square" in shapes
    assert "box" in shapes
    assert "count" in shapes
    assert "triangle" not in shapes


def test_get_resolves_names_and_aliases(shapes: Shapes) -> None:
    assert shapes.get("square") is square
    assert shapes.get("box") is square


def test_built_in_entry_is_imported_on_demand() -> None:
    registry = Registry[Any]("shape", built_in={"dump": "json:dumps", "nested": "pathlib:Path.cwd"})
    assert registry.get("dump") is json.dumps
    assert registry.get("nested") == Path.cwd


def test_import_error_of_a_built_in_entry_passes_through(shapes: Shapes) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        shapes.get("gone")


def test_unknown_name_is_answered_with_a_near_miss(shapes: Shapes) -> None:
    with pytest.raises(UnknownName, match=r"unknown shape 'sqare'; .*count.*did you mean 'square'"):
        shapes.get("sqare")


def test_name_can_be_taken_once(shapes: Shapes) -> None:
    with pytest.raises(
        ValueError, match=f"the shape 'square' is registered already, by {__name__}"
    ):
        shapes.register("square")(circle)
    with pytest.raises(ValueError, match=r"'count' is registered already, by spaces\.files"):
        shapes.register("count")(circle)
    assert shapes.get("square") is square


def test_entry_may_be_registered_again_from_the_same_source(shapes: Shapes) -> None:
    shapes.register("square")(square)
    with registering_from("file /mine.py"), pytest.raises(ValueError, match="registered already"):
        shapes.register("square")(square)


def test_make_passes_options_of_text_and_call(shapes: Shapes) -> None:
    assert shapes.make("square") == "1 x 1"
    assert shapes.make("square(width=3)") == "3 x 3"
    assert shapes.make("box(width=3)", width=4) == "4 x 4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("square(widht=2)", "square has no option 'widht'; it has: width; did you mean 'width'?"),
        ("square(width='a')", "square: width must be like 1 (int), not 'a'"),
        ("square(2)", "cannot read the shape 'square(2)'; "),
    ],
)
def test_wrong_option_raises_with_name_and_value(shapes: Shapes, text: str, message: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        shapes.make(text)
    assert str(caught.value).startswith(message)


def test_errors_are_of_the_registry_s_classes(entry_points: list[tuple[str, str]]) -> None:
    entry_points.append(("broken", "no_such_package:shape"))
    registry = Shapes("shape", "tests.shapes", invalid=InvalidBlock, broken=InvalidFile)
    registry.register("square")(square)
    with pytest.raises(InvalidBlock, match="colour"):
        registry.make("square(colour=1)")
    with pytest.raises(InvalidFile, match=r"the shape 'broken' of no_such_package:shape"):
        registry.get("broken")


def test_options_come_from_the_signature_or_a_function(shapes: Shapes) -> None:
    assert [(o.name, o.default, o.help) for o in shapes.options("box").values()] == [
        ("width", 1, "Length of a side.")
    ]
    registry = Shapes("shape", options=lambda item: {})
    registry.register("square")(square)
    assert registry.options("square") == {}


def test_summary_does_not_import_a_built_in_entry() -> None:
    registry = Registry[Any]("shape", built_in={"tree": "spaces.drawing.layout:layered"})
    sys.modules.pop("spaces.drawing.layout", None)
    registry.summary("tree")
    assert "spaces.drawing.layout" not in sys.modules


def test_summary_of_a_registered_entry_is_its_docstring(shapes: Shapes) -> None:
    assert shapes.summary("box") == "Draw a square."


def test_origin_is_built_in_a_file_or_a_module(shapes: Shapes) -> None:
    with registering_from("file /mine.py"):
        shapes.register("circle")(circle)
    assert shapes.origin("count") == BUILT_IN
    assert shapes.origin("circle") == "file /mine.py"
    assert shapes.origin("box") == f"module {__name__}"


def test_preserved_undoes_registrations(shapes: Shapes) -> None:
    with shapes.preserved():
        shapes.register("circle")(circle)
        assert "circle" in shapes
    assert "circle" not in shapes
    assert "square" in shapes


def test_entry_point_of_an_object_is_loaded_on_demand(
    shapes: Shapes, entry_points: list[tuple[str, str]]
) -> None:
    entry_points.append(("dump", "json:dumps"))
    assert shapes.names() == ["count", "gone", "square", "dump"]
    assert shapes.get("dump") is json.dumps
    assert shapes.origin("dump") == "module json"


def test_broken_entry_point_raises_when_it_is_requested_alone(
    shapes: Shapes, entry_points: list[tuple[str, str]]
) -> None:
    entry_points += [("broken", "no_such_package:shape"), ("dump", "json:dumps")]
    assert shapes.get("dump") is json.dumps
    with pytest.raises(InvalidPlugin, match="the shape 'broken' of no_such_package:shape"):
        shapes.get("broken")


def test_broken_entry_point_of_a_module_is_warned_of(
    shapes: Shapes, entry_points: list[tuple[str, str]]
) -> None:
    entry_points += [("broken", "no_such_package"), ("dump", "json:dumps")]
    with pytest.warns(UserWarning, match="plug-in broken .no_such_package. cannot be loaded"):
        assert "dump" in shapes.names()


def test_entry_point_with_a_taken_name_is_warned_of(
    shapes: Shapes, entry_points: list[tuple[str, str]]
) -> None:
    entry_points.append(("square", "json:dumps"))
    with pytest.warns(UserWarning, match="plug-in square .json:dumps. is left out"):
        shapes.names()
    assert shapes.get("square") is square


def test_registry_without_a_group_has_no_entry_points(
    entry_points: list[tuple[str, str]],
) -> None:
    entry_points.append(("dump", "json:dumps"))
    assert Registry[Any]("shape").names() == []


def test_file_plug_in_is_the_origin_of_its_entries(tmp_path: Path) -> None:
    from spaces.registry import SPACES

    file = tmp_path / "origin_of_space.py"
    file.write_text(
        "from spaces import register_space\n@register_space('mine')\ndef f(name): ...\n"
    )
    with SPACES.preserved():
        load_file(file)
        assert SPACES.origin("mine") == f"file {file}"


KINDS = (
    "spaces",
    "heads",
    "operators",
    "formats",
    "benchmarks",
    "backends",
    "predictors",
    "encoders",
    "proxies",
    "data",
    "samplers",
    "algorithms",
    "strategies",
    "guides",
    "tasks",
    "perturbations",
    "attacks",
)


@pytest.fixture
def distribution(tmp_path: Path) -> Path:
    """A folder with an installed package that adds an entry to every kind, and a broken one."""
    info = tmp_path / "outside_pathfit-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-pathfit\nVersion: 1.0\n")
    lines = [
        f"[pathfit.{kind}]\noutside = outside_entries:Outside\nbroken = outside_nothing\n"
        for kind in KINDS
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (tmp_path / "outside_entries.py").write_text(
        'class Outside:\n    """An entry from outside."""\n'
    )
    return tmp_path


def test_installed_package_adds_to_every_kind(distribution: Path) -> None:
    code = (
        "import json, warnings\n"
        "from service.commands.list_ import REGISTRIES\n"
        "warnings.simplefilter('ignore')\n"
        "rows = {}\n"
        "for kind in REGISTRIES:\n"
        "    registry = REGISTRIES.get(kind)\n"
        "    item = registry.get('outside')\n"
        "    rows[registry.group] = [\n"
        "        'outside' in registry.names(), item.__name__,\n"
        "        registry.origin('outside'), registry.summary('outside'),\n"
        "    ]\n"
        "print(json.dumps(rows))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{distribution}:{ROOT}", "PATH": "/usr/bin:/bin"},
        check=True,
    )
    row = [True, "Outside", "distribution outside-pathfit", "An entry from outside."]
    assert json.loads(done.stdout) == {f"pathfit.{kind}": row for kind in KINDS}
