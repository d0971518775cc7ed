"""Tests of the refusal of a fit that the available memory does not hold."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import predictor
import spaces
from predictor.errors import InsufficientMemory
from predictor.gaussian import process
from spaces.memory import available_bytes

ROOT = Path(__file__).resolve().parents[3]


def test_fit_beyond_the_memory_is_refused_before_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    space = spaces.get("spos-tiny")
    codes = space.sample(np.random.default_rng(0), 100)
    monkeypatch.setattr(process, "available_bytes", lambda: 400_000)
    steps: list[float] = []
    with pytest.raises(InsufficientMemory, match=r"on 100 architectures .* at most 6\d"):
        predictor.make("gp", space).fit(
            codes, -space.macs(codes), progress=lambda *_: steps.append(0)
        )
    assert steps == []


def test_fit_within_the_memory_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    space = spaces.get("spos-tiny")
    codes = space.sample(np.random.default_rng(0), 40)
    monkeypatch.setattr(process, "available_bytes", lambda: 400_000)
    model = predictor.make("gp", space)
    model.fit(codes, -space.macs(codes))
    assert np.isfinite(model.predict(codes)[0]).all()


def test_limit_on_the_address_space_is_seen() -> None:
    limit = 1 << 30
    code = "from spaces.memory import available_bytes\nprint(available_bytes())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert 0 < int(done.stdout) < limit
    assert (available_bytes() or limit) > 0
