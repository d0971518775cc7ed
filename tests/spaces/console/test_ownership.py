"""What happens where another distribution owns one of our package names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spaces.console import ownership

ROOT = Path(__file__).resolve().parents[3]
OTHER_ENVIRONMENT = "in a separate environment (python -m venv)"


def list_spaces(first: Path) -> subprocess.CompletedProcess[str]:
    """`python -m spaces list` with a folder that stands before ours."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(first), str(ROOT)])}
    command = [sys.executable, "-m", "spaces", "list"]
    return subprocess.run(
        command,
        cwd=first,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder with a package `tables` that is not ours."""
    (tmp_path / "tables").mkdir()
    text = '"""PyTables, hierarchical data."""\nraise SystemExit("a stranger was imported")\n'
    (tmp_path / "tables" / "__init__.py").write_text(text, encoding="utf-8")
    return tmp_path


def test_a_foreign_package_is_named(foreign: Path) -> None:
    result = list_spaces(foreign)
    assert (result.returncode, result.stdout) == (2, "")
    assert (
        result.stderr
        == f"Error: the package 'tables' at {foreign / 'tables'} belongs to something that is not a"
        f" distribution, not to Pathfit; install Pathfit {OTHER_ENVIRONMENT}\n"
    )


def test_the_distribution_of_a_foreign_package_is_named(foreign: Path) -> None:
    information = foreign / "impostor-3.1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: impostor\nVersion: 3.1\n", encoding="utf-8"
    )
    (information / "top_level.txt").write_text("tables\n", encoding="utf-8")
    result = list_spaces(foreign)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert (
        f"{foreign / 'tables'} belongs to the distribution 'impostor', not to Pathfit"
        in result.stderr
    )


def test_no_clash_among_our_own_packages(tmp_path: Path) -> None:
    ownership.check()
    result = list_spaces(tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


def test_every_package_carries_its_mark() -> None:
    for name in ownership.PACKAGES:
        assert ownership._is_pathfit(name, ROOT / name / "__init__.py"), name
    assert not ownership._is_pathfit("tables", ROOT / "spaces" / "__init__.py")


def test_missing_packages_and_plain_folders_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "PACKAGES", ("spaces", "pathfit_nowhere"))
    with pytest.raises(
        ownership.NameClash, match="package 'pathfit_nowhere' is missing; install Pathfit again"
    ):
        ownership.check()
    (tmp_path / "pathfit_nowhere").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ownership.NameClash) as caught:
        ownership.check()
    assert f"'pathfit_nowhere' is the plain folder {tmp_path / 'pathfit_nowhere'};" in str(
        caught.value
    )


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"# tables\n"])
def test_unreadable_beginnings_are_not_ours(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "__init__.py"
    assert not ownership._is_pathfit("tables", path)
    path.write_bytes(content)
    assert not ownership._is_pathfit("tables", path)
