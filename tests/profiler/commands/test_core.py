"""The profiler with the core's packages alone."""

import json
import subprocess
import venv
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import spaces
from tables import LookupTable
from tests.profiler.commands.running import ROOT, Built, RunProfiler

CORE = ("torch", "numpy", "click", "rich")


def required(names: Iterable[str]) -> dict[str, metadata.Distribution]:
    """The installed distributions of these names and of all that they require here."""
    found: dict[str, metadata.Distribution] = {}
    open_ = list(names)
    while open_:
        name = canonicalize_name(open_.pop())
        if name not in found:
            found[name] = metadata.distribution(name)
            needs = [Requirement(text) for text in found[name].requires or []]
            open_ += [
                need.name
                for need in needs
                if need.marker is None or need.marker.evaluate({"extra": ""})
            ]
    return found


@pytest.fixture(scope="module")
def core_only(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of a virtual environment with the core's packages and what these require (links),
    and no other.
    """
    folder = tmp_path_factory.mktemp("core") / "venv"
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for distribution in required(CORE).values():
        tops = {
            Path(file).parts[0] for file in distribution.files or [] if ".." not in Path(file).parts
        }
        for top in tops - {"__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution.locate_file(top))))
    (site / "pathfit.pth").write_text(f"{ROOT}\n")
    python = str(folder / "bin" / "python")
    listed = "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))"
    there = subprocess.run(
        [python, "-c", listed], capture_output=True, text=True, check=True, cwd=folder
    ).stdout
    assert set(CORE) <= {name.lower() for name in there.split()}
    assert not {"scipy", "pyyaml", "onnxruntime", "hypothesis", "scikit-learn"} & {
        n.lower() for n in there.split()
    }
    return python


@pytest.mark.slow
def test_the_core_alone_is_enough(
    run_profiler: RunProfiler, tmp_path: Path, core_only: str
) -> None:
    path, arch = tmp_path / "t.json", tmp_path / "arch.json"
    space = ("--space", "spos-tiny(input_size=16, repeats=(1, 1, 1))")
    done = run_profiler(
        "build", *space, "--threads", "1", "--budget", "0.5s", "-o", str(path), python=core_only
    )
    assert done.returncode == 0, done.stderr
    assert "sigma" in done.stdout
    assert LookupTable.read(path).space == "spos-tiny(input_size=16, repeats=(1, 1, 1))"
    arch.write_text(spaces.get(space[1]).architecture([0, 1, 2]).to_json())
    for arguments in (
        ("measure", str(arch), "--table", str(path), "--rounds", "3"),
        ("show", str(path)),
        ("devices",),
    ):
        done = run_profiler(*arguments, python=core_only)
        assert done.returncode == 0, done.stderr
    command = [core_only, "-m", "tables", "estimate", str(arch), "--table", str(path)]
    estimate = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert estimate.returncode == 0, estimate.stderr
    assert json.loads(estimate.stdout)["sigma_ms"] > 0


@pytest.mark.slow
def test_what_needs_more_names_it(
    run_profiler: RunProfiler, tmp_path: Path, core_only: str, built: Built
) -> None:
    (tmp_path / "m.onnx").write_bytes(b"")
    table, png = str(built[0]), str(tmp_path / "plot.png")
    for package, arguments in (
        ("onnxruntime", ("measure", str(tmp_path / "m.onnx"))),
        ("onnx", ("build", "--backend", "onnxruntime", "--space", "spos-tiny", "--budget", "1s")),
        ("scipy", ("validate", table, "--networks", "5")),
        ("matplotlib", ("show", table, "--plot", png)),
    ):
        lacking = run_profiler(*arguments, python=core_only)
        assert lacking.returncode == 2, lacking.stderr
        assert lacking.stderr.startswith(
            f"Error: this needs the package {package}, which is not installed: pip install"
        )
        assert lacking.stderr.count("\n") == 1
