"""The built wheel, installed into a fresh environment without the checkout on its path."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("spaces", "tables", "profiler", "predictor", "oneshot", "service")


def call(*command: object, cwd: Path) -> str:
    environment = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # A copy of what git tracks: building writes into its folder, and stale builds must not count.
    files = call("git", "ls-files", "-z", cwd=ROOT).split("\0")
    for file in filter(None, files):
        if (ROOT / file).is_file():
            (source / file).parent.mkdir(parents=True, exist_ok=True)
            (source / file).write_bytes((ROOT / file).read_bytes())
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-q"]
    call(sys.executable, "-m", "pip", "wheel", *options, "-w", folder, source, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", folder, cwd=folder)
    python = folder / "bin" / "python"
    call(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel, cwd=folder)
    # The packages that Pathfit needs come from this environment; its own link to the checkout does
    # not, because a .pth file that is found through a .pth line is not read.
    site = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    Path(site.strip(), "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.mark.slow
def test_wheel_contains_typed_packages_and_their_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in PACKAGES:
        assert f"{package}/__init__.py" in names
        assert f"{package}/py.typed" in names
    assert "tables/schema.json" in names
    assert any(name.startswith("service/static/js/") for name in names)
    assert not any(name.startswith(("tests/", "benchmarks/", "examples/")) for name in names)


@pytest.mark.slow
def test_wheel_runs_the_quickstart_from_an_unrelated_folder(python: Path, tmp_path: Path) -> None:
    origin = call(python, "-c", "import spaces; print(spaces.__file__)", cwd=tmp_path)
    assert Path(origin.strip()).is_relative_to(python.parents[1])
    shown = call(python.parent / "pathfit", "quickstart", "--smallest", cwd=tmp_path)
    assert "latency measured" in shown
    assert (tmp_path / "runs" / "quickstart" / "measured.json").is_file()
    assert (tmp_path / "runs" / "quickstart" / "front.svg").is_file()
