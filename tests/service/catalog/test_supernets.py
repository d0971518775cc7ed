"""Runs of supernets in the catalog, with their verdicts."""

import json
import os
from pathlib import Path

import pytest

from service.catalog.supernets import trained_supernets

VERDICT_OF_RUN = {"truth": "top1 of truth.jsonl", "networks": 30, "sentence": "", "figures": []}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a supernet's run, with a verdict that is older than nothing."""
    path = tmp_path / "supernet"
    path.mkdir()
    settings = {"kind": "supernet", "space": "spos-tiny", "data": {"name": "digits"}}
    (path / "run.json").write_text(json.dumps(settings), encoding="utf-8")
    (path / "weights.safetensors").write_bytes(b"weights")
    return path


def test_supernet_has_the_verdict_on_its_weights(folder: Path) -> None:
    assert trained_supernets((folder,))["supernet"].verdict is None
    path = folder / "verdict.json"
    path.write_text(json.dumps(VERDICT_OF_RUN), encoding="utf-8")
    assert trained_supernets((folder,))["supernet"].verdict == VERDICT_OF_RUN

    # Later weights than the verdict's are those of another training.
    later = path.stat().st_mtime + 10
    os.utime(folder / "weights.safetensors", (later, later))
    assert trained_supernets((folder,))["supernet"].verdict is None


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_verdict_that_cannot_be_read_is_none(folder: Path, text: str) -> None:
    (folder / "verdict.json").write_text(text, encoding="utf-8")
    assert trained_supernets((folder,))["supernet"].verdict is None
