"""Published Kendall's tau of predictors on benchmarks."""

from __future__ import annotations

from collections.abc import Mapping

# 1, 5, 10, 50 and 100% of the half of NAS-Bench-201 that GATES trains on.
_FRACTIONS = (78, 390, 781, 3906, 7813)


def _row(*taus: float) -> dict[int, float]:
    return dict(zip(_FRACTIONS, taus, strict=True))


PUBLISHED: Mapping[str, Mapping[str, Mapping[int, float]]] = {
    "nasbench201": {
        "MLP": _row(0.097, 0.396, 0.539, 0.823, 0.870),
        "LSTM": _row(0.555, 0.641, 0.727, 0.879, 0.900),
        "GATES": _row(0.740, 0.863, 0.880, 0.919, 0.926),
        "TA-GATES, about": _row(0.77, 0.87, 0.89, 0.92, 0.93),
    }
}
"""Benchmark -> predictor -> number of training architectures -> Kendall's tau.

GATES, MLP and LSTM: Ning et al., ECCV 2020 (arXiv 2004.01899), tested on the other half of the
cells. TA-GATES: Ning et al., NeurIPS 2022, approximately.
"""
