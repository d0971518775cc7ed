"""`POST /predict`: score architectures and estimate their costs."""

from __future__ import annotations

from apiflask import APIBlueprint

from service.api.documentation import writing
from service.catalog import prediction
from service.context import current_service
from service.schemas.catalog import Predictions, PredictRequest

blueprint = APIBlueprint("predict", __name__, tag="predict")


@blueprint.post("/predict")
@blueprint.input(PredictRequest, arg_name="body")
@blueprint.output(Predictions)
@blueprint.doc(
    summary="Predicted accuracy with its deviation, and costs on a device, of given architectures",
    responses=writing(),
)
def predict(body: PredictRequest) -> Predictions:
    """Score the architectures of a request."""
    service = current_service()
    # A prediction holds a thread for seconds, as a request that waits for a job does.
    with service.waiting.slot():
        return prediction.predict(body, service.sender_catalog())
