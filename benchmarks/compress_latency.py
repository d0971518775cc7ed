"""Errors of latency estimates of smaller networks that were not measured, for `compress.py`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from compress_networks import NETWORKS

from oneshot.compression.costs import METRIC, MeasuredDevice, measure_sample
from oneshot.compression.network_times import NetworkTimes, time_networks
from oneshot.search.constraint import Limit
from oneshot.search.guide import Guide
from oneshot.search.loop import run_search
from oneshot.search.problem import SearchProblem
from profiler.backends.base import Conditions
from profiler.backends.registry import make_backend
from spaces.elastic import ElasticSpace, from_network
from spaces.elastic.sampling import sample_sizes
from spaces.registry import SPACES

UNSEEN = 30
SEARCHED = 10
MARGIN = 1.64


def latency_errors(
    name: str, backend_name: str, seed: int, measured: int, folder: Path
) -> dict[str, Any]:
    """Return the errors of estimates on unseen networks, and how many searched ones keep limits.

    Weights do not change latencies, so that the network is not trained.

    Args:
        name: Name of the network in `compress_networks`.
        backend_name: Backend that runs networks.
        seed: Seed of the samples.
        measured: Number of networks that the cost model is fitted on.
        folder: Folder of their latencies.
    """
    torch.manual_seed(seed)
    example = torch.zeros(1, 3, 16, 16)
    space = from_network(NETWORKS[name].build(), example, f"elastic-{name}-latency")
    SPACES.add(space.name, lambda name, /: space)
    backend = make_backend(backend_name, Conditions("cpu"))
    folder.mkdir(parents=True, exist_ok=True)
    batches = measure_sample(
        space,
        backend,
        folder / "latencies.jsonl",
        {"backend": backend_name, "batch": 1, "threads": 1},
        count=measured,
        rounds=4,
        seed=seed,
    )
    device = MeasuredDevice("cpu", batches)
    model, fit, values = device.fit(space)

    def measured_ms(codes: Any) -> tuple[NetworkTimes, Any]:
        times = time_networks(space, backend, codes, threads=1, rounds=8, seed=seed)
        return times, np.median(times.ratios, axis=1) * device.reference_ms

    unseen = sample_sizes(space, np.random.default_rng(100 + seed), UNSEEN)
    errors = np.abs(model.estimate(unseen) / measured_ms(unseen)[1] - 1)

    # As in a compression, the second search knows networks of the first one.
    first, limits = _searched(space, device, seed)
    times, latencies = measured_ms(first)
    within_at_first = latencies <= limits
    searched, limits = _searched(space, device.with_times(times), seed + 1)
    exceeded = measured_ms(searched)[1] / limits - 1
    kept = exceeded <= 0
    return {
        "original_ms": float(model.estimate([space.original])[0]),
        "smallest_ms": float(model.estimate([space.smallest])[0]),
        "cross_validated_error": round(fit.mape(values), 4),
        "networks": len(unseen),
        "mape": round(float(errors.mean()), 4),
        "largest": round(float(errors.max()), 4),
        "sigma_ms": model.sigma,
        "searched": len(searched),
        "within_limit_at_first": int(within_at_first.sum()),
        "within_limit": int(kept.sum()),
        "exceeded_by": [round(float(x), 4) for x in exceeded[~kept]],
    }


class _MostMacs:
    """A guide that searches for as many multiply-accumulates as a limit allows."""

    def __init__(self, space: ElasticSpace):
        self.space = space

    def score(self, codes: Any) -> tuple[Any, Any]:
        return self.space.macs(codes).astype(float), np.zeros(len(codes))

    def to_dict(self) -> dict[str, str]:
        return {"kind": "most-macs"}


def _searched(space: ElasticSpace, device: MeasuredDevice, seed: int) -> tuple[Any, Any]:
    """Return searched networks [n, choices] and their limits [n], from 40% to 85% of the original.

    They have as many multiply-accumulates as their limits allow, the hardest networks to keep them.
    """
    model = device.cost_model(space, METRIC)
    original = float(model.estimate([space.original])[0])
    limits = np.linspace(0.4, 0.85, SEARCHED) * original
    guide: Guide = _MostMacs(space)
    codes = []
    for limit in limits:
        constraint = Limit.parse(f"latency_ms<={limit}@cpu").bind(
            space, lambda name, limit=limit: replace(device, limit_ms=float(limit)), MARGIN
        )
        result = run_search(SearchProblem(space, guide, [constraint]), seed=seed)
        codes.append(space.encode([result.best.architecture])[0])
    return np.array(codes), limits
