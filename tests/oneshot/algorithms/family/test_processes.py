"""Two processes search as one: the same paths, the same logits or controller, one architecture."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("two_processes.py")
ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.slow
def test_ranks_draw_and_learn_alike(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name in ("gdas", "enas"):
        first, second = ((tmp_path / f"{name}-{rank}").read_text() for rank in (0, 1))
        assert first == second
        assert len(first.splitlines()) == 2 * 4
        assert len(found[name]) == 3
