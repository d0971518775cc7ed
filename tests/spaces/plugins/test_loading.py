"""Spaces from outside: entry points and files."""

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spaces import plugins, registry
from spaces.errors import InvalidPlugin
from spaces.plugins.loading import LoadedFiles, loaded_files

SOURCE = '''
from spaces import Block, ChainSpace, ChoiceLayer, register_space
from spaces.modules.network import release_initialiser


@register_space("{name}")
def factory(name, /, *, width: int = 4, num_classes: int = 2):
    """A space of one choice."""

    def classifier(classes):
        return Block("linear", (width, 8, 8), (classes,))

    kernels = {{
        f"k{{k}}": (Block("conv", (3, 8, 8), (width, 8, 8), k, stride=1, activation="relu"),)
        for k in (1, 3)
    }}
    layout = [ChoiceLayer("only", kernels), classifier(num_classes)]
    return ChainSpace(name, layout, (3, 8, 8), num_classes, classifier, lambda: release_initialiser)
'''


@pytest.fixture
def clean() -> Iterator[None]:
    modules = set(sys.modules)
    with registry.SPACES.preserved():
        yield
    for name in set(sys.modules) - modules:
        if "plugin" in name or "outside" in name:
            del sys.modules[name]


@pytest.mark.usefixtures("clean")
def test_load_file_runs_a_file_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(SOURCE.format(name="mine-of-file"))
    plugins.load_file(file)
    plugins.load_file(file)
    assert "mine-of-file" in registry.available()
    space = registry.get("mine-of-file(width=6)")
    assert space.macs(space.architecture([1])) == 8 * 8 * 9 * 3 * 6 + 6 * 2


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "import nothing_of_this_name",
            "failed: ModuleNotFoundError: No module named 'nothing_of_this_name'",
        ),
        ("def broken(:", "failed: SyntaxError"),
        (SOURCE.format(name="spos"), "the space 'spos' is registered already"),
    ],
)
def test_load_file_raises_for_a_broken_file(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(content)
    with pytest.raises(InvalidPlugin, match=r"broken\.py") as caught:
        plugins.load_file(file)
    assert message in str(caught.value)
    with pytest.raises(InvalidPlugin, match="no Python file"):
        plugins.load_file(tmp_path / "none.py")


@pytest.mark.usefixtures("clean")
def test_loaded_files_are_loaded_where_they_are_unpickled(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(SOURCE.format(name="mine-of-file"))
    plugins.load_file(file)
    assert str(file) in loaded_files()

    # The space is pickled by its name, which a new process knows only once the file has run.
    pickled = tmp_path / "pickled"
    pickled.write_bytes(pickle.dumps((LoadedFiles(), registry.get("mine-of-file"))))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb'))[1].name)"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code, str(pickled)], cwd=root, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("mine-of-file\n", "")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with an installed package that names an entry point."""
    info = tmp_path / "outside_pathfit-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-pathfit\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[pathfit.spaces]\noutside = outside_pathfit_spaces\nbroken = outside_pathfit_nothing\n"
    )
    (tmp_path / "outside_pathfit_spaces.py").write_text(SOURCE.format(name="from-outside"))
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("clean", "installed")
def test_entry_point_of_a_module_registers_its_spaces() -> None:
    with pytest.warns(
        UserWarning, match="plug-in broken .outside_pathfit_nothing. cannot be loaded"
    ):
        names = registry.available()
    assert "from-outside" in names
    assert registry.get("from-outside").size == 2


def test_command_line_lists_spaces_of_files_and_packages(installed: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(SOURCE.format(name="mine-of-file"))
    command = [sys.executable, "-W", "ignore", "-m", "spaces", "--plugin", str(file), "list"]
    root = Path(__file__).resolve().parents[3]
    environment = {"PYTHONPATH": f"{installed}:{root}", "COLUMNS": "120", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert "mine-of-file" in done.stdout
    assert "from-outside" in done.stdout


def test_command_line_refuses_a_broken_file(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("1 / 0")
    command = [sys.executable, "-m", "spaces", "--plugin", str(file), "list"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert done.returncode == 2
    assert done.stderr == f"Error: the plug-in {file} failed: ZeroDivisionError: division by zero\n"
