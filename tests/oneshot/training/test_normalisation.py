"""Processes that share a batch normalise it as one would."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("whole_batch.py")
ROOT = Path(__file__).resolve().parents[3]


def test_halves_of_a_batch_are_normalised_as_the_whole(tmp_path: Path) -> None:
    """Outputs, gradients and running statistics, with and without scale and shift, of narrower
    layers too.
    """
    command = [sys.executable, str(SCRIPT)]
    processes = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "meeting")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        found = json.loads(output)
        assert (
            max(found[name] for name in ("outputs", "gradients", "statistics", "evaluation"))
            < 1e-12
        )
        assert found["alone"] > 0.1
