"""Packages that export lazily."""

import subprocess
import sys
from pathlib import Path

import pytest

import spaces
from spaces.lazy import exports

ROOT = Path(__file__).resolve().parents[2]


def test_every_public_name_resolves() -> None:
    names = dir(spaces)
    assert {
        "Architecture",
        "Block",
        "LayerChoice",
        "SearchSpace",
        "Supernet",
        "available",
        "get",
    } <= set(names)
    for name in names:
        assert getattr(spaces, name).__name__.removeprefix("spaces.") == name
        assert name in vars(spaces)  # the next use finds it without the detour


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'spaces' has no attribute 'nothing'"):
        spaces.nothing  # noqa: B018
    assert not hasattr(spaces, "nothing")


def test_a_module_can_be_exported_itself() -> None:
    get, names = exports("spaces", {"files": ".files:", "write_text": ".files"})
    assert names() == ["files", "write_text"]
    from spaces import files

    assert get("files") is files
    assert get("write_text") is files.write_text


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import spaces", "numpy"),
        (
            "import spaces; spaces.get('spos').macs(spaces.get('spos').architecture([0] * 20))",
            "torch",
        ),
        ("import spaces; spaces.get('spos').network", "torch"),
        ("import spaces; spaces.get('spos-tiny').supernet()", "torch_geometric"),
    ],
)
def test_heavy_packages_are_imported_on_demand(code: str, absent: str) -> None:
    script = f"import sys\n{code}\nassert '{absent}' not in sys.modules"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False, timeout=300
    )
    assert (result.returncode, result.stderr) == (0, b"")
