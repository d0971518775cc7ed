"""The client's example against a real service."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import spaces

ROOT = Path(__file__).resolve().parents[3]
NAME = "service_client.py"


@pytest.mark.slow
def test_client_example_saves_a_network_within_its_limit(served, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    limit = served.client.bounds("made-up", "spos-tiny").metrics["latency_ms"]
    maximum = (limit.least + limit.greatest) / 2
    script = ROOT / "examples" / NAME
    options = ["--url", served.url, "--device", "made-up", "--latency-ms", str(maximum)]
    done = subprocess.run(
        [sys.executable, script, *options, "--output", "found.json"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    space = spaces.get("spos-tiny")
    assert space.architecture(found["choices"]).to_dict() == found
    front = [line for line in done.stdout.splitlines() if line.startswith("score")]
    assert front
    assert all(float(line.split()[-2]) <= maximum for line in front)
