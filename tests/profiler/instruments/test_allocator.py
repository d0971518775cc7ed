"""The allocator keeps what is freed."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from profiler.instruments.allocator import ENVIRONMENT, condition

COUNT_FAULTS = """
import json, resource, sys
import numpy as np
from profiler.instruments.allocator import keep_memory

kept = keep_memory() if sys.argv[1] == "kept" else None

def run():
    for _ in range(200):
        np.empty(4_000_000, dtype=np.uint8).fill(1)

run()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
run()
print(json.dumps([kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_memory_is_asked_for_once() -> None:
    root = Path(__file__).resolve().parents[3]

    def faults(mode: str, environment: dict[str, str]) -> tuple[bool | None, int]:
        command = [sys.executable, "-c", COUNT_FAULTS, mode]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=root, env=environment
        )
        kept, count = json.loads(done.stdout)
        return kept, count

    # glibc adapts its threshold to what was freed before; this is the state that it begins with.
    plain = {"PATH": "/usr/bin:/bin", "MALLOC_MMAP_THRESHOLD_": "131072"}
    _, without = faults("plain", plain)
    kept, within = faults("kept", plain)
    _, by_environment = faults("plain", {"PATH": "/usr/bin:/bin", **ENVIRONMENT})
    assert kept is True
    assert without > 10_000  # 200 arrays of about 1000 pages
    assert within < without / 20
    assert by_environment < without / 20


def test_tables_record_it() -> None:
    assert condition() == {
        "allocator": "keeps memory" if platform.libc_ver()[0] == "glibc" else "default"
    }
