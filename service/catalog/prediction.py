"""Predict scores and costs of architectures in the web process, one request at a time."""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from service.catalog.catalog import Catalog
from service.catalog.files import FileReference, device_models, metric_of_predictor
from service.problems import blaming, invalid
from service.schemas.catalog import Prediction, Predictions, PredictRequest
from spaces.architecture import Architecture
from spaces.space import Codes, SearchSpace
from tables.cost.model import counting_model
from tables.metrics import counts_of

if TYPE_CHECKING:
    from predictor.base import Predictor

_TORCH_LOCK = threading.Lock()


def predict(request: PredictRequest, catalog: Catalog) -> Predictions:
    """Score the architectures of a request; raises Problem that names the field."""
    with blaming("space"):
        space = catalog.space(request.space)

    reference = _resolve_predictor(request, space, catalog)
    table = None
    if request.device is not None:
        with blaming("device"):
            _, table = catalog.table(request.device)
            # Fitted here so that a missing block is attributed to the device.
            device_models(table, space)

    architectures = [
        _read_architecture(value, index, space) for index, value in enumerate(request.architectures)
    ]
    # All at once: the predictor and the cost models work on arrays.
    codes = space.encode(architectures)
    scores, deviations = score(reference, codes)
    costs = _estimate_costs(space, table, codes)

    rows = zip(architectures, scores.tolist(), deviations.tolist(), strict=True)
    predictions = [
        Prediction(
            architecture=architecture.to_dict(),
            score=score,
            deviation=deviation,
            costs={metric: values[row] for metric, values in costs.items()},
        )
        for row, (architecture, score, deviation) in enumerate(rows)
    ]

    return Predictions(
        space=space.name,
        predictor=reference.name,
        metric=metric_of_predictor(Path(reference.path)) or None,
        device=request.device,
        predictions=predictions,
    )


def _resolve_predictor(
    request: PredictRequest, space: SearchSpace, catalog: Catalog
) -> FileReference:
    name = request.predictor
    if name is None:
        names = catalog.predictors_of(space.name)
        if len(names) != 1:
            listed = ", ".join(names) or "none"
            detail = f"predictor is needed, the name of one of {space.name}; available: {listed}"
            raise invalid(detail, "predictor", known=names)
        name = names[0]

    with blaming("predictor"):
        trained_on, reference = catalog.predictor(name)
    if trained_on != space.name:
        raise invalid(f"the predictor {name!r} scores {trained_on}, not {space.name}", "predictor")

    return reference


def _read_architecture(value: Any, index: int, space: SearchSpace) -> Architecture:
    """Read an architecture's JSON object, its choices only, or its codes."""
    field = f"architectures.{index}"
    with blaming(field):
        if isinstance(value, dict) and "choices" in value:
            if value.get("space", space.name) != space.name:
                raise invalid(f"{field} is one of {value['space']!r:.80}, not {space.name}", field)
            value = value["choices"]
            if not isinstance(value, dict):
                raise invalid(
                    f"{field}.choices must map choices to candidates, not {value!r:.60}", field
                )
        # numpy would fail on a code that exceeds its integers.
        elif isinstance(value, list) and any(abs(code) >= 1 << 31 for code in value):
            raise invalid(f"{field}: a code is out of range", field)
        return space.architecture(value)


def score(
    reference: FileReference, codes: Codes
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score codes [n, choices] by a predictor; return scores [n] and deviations [n]."""
    # One at a time: the processor's cores are for the jobs, and all threads share torch's setting.
    with _TORCH_LOCK, blaming("predictor"):
        return _load_predictor(reference).predict(codes)


@functools.lru_cache(maxsize=4)
def _load_predictor(reference: FileReference) -> Predictor:
    import torch

    import predictor

    # Networks this small gain nothing from more threads.
    torch.set_num_threads(1)
    return predictor.load(reference.checked())


def _estimate_costs(
    space: SearchSpace, table: FileReference | None, codes: Codes
) -> dict[str, list[float]]:
    models = {metric: counting_model(space, metric) for metric in counts_of(space)}
    if table is not None:
        models |= device_models(table, space)
    return {metric: model.estimate(codes).tolist() for metric, model in models.items()}
