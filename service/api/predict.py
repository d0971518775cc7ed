"""`POST /predict`: how good given architectures are, and what they cost."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint

from service.api.documentation import writing
from service.context import service_of
from service.schemas.catalog import Predictions, PredictRequest


def blueprint() -> APIBlueprint:
    """The route of predictions."""
    predictions = APIBlueprint("predict", __name__, tag="predict")

    @predictions.post("/predict")
    @predictions.input(PredictRequest, arg_name="asked")
    @predictions.output(Predictions)
    @predictions.doc(
        summary=(
            "Predicted accuracy with its deviation, and costs on a device, of given architectures"
        ),
        responses=writing(),
    )
    def predict(asked: PredictRequest) -> dict[str, Any]:
        from service.catalog.prediction import predict

        service = service_of()
        with service.waiting.held():
            return predict(asked, service.catalog)

    return predictions
