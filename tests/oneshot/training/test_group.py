"""Processes that another program joined train as those that a training starts itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("group_of_two.py")
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_a_group_that_was_there_trains_as_one_that_is_started(tmp_path: Path) -> None:
    """Weights and normalisation equal to the bit; process 0 alone writes, tells and goes on."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error::UserWarning", str(SCRIPT), str(tmp_path), str(rank)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], said
    assert [errors for _, errors in said] == ["", ""]
    found = json.loads(said[0][0])
    assert found["same"]
    assert found["refused"] == "devices: this process is one of 2 that train together, not of 3"
    assert [text.split(",")[0] for text in found["told"]] == ["epoch 1/1", "epoch 1/1"]
    assert [path.name for path in (tmp_path / "0").iterdir()] == ["last.ckpt"]
