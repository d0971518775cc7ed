"""Options of trainings in the API are those of the commands."""

import click
import pytest
from pydantic import BaseModel

from oneshot.commands.retrain import retrain
from predictor.commands.train import train
from service.kinds.options import allowed, to_arguments
from service.kinds.predictor import RESERVED as OF_PREDICTOR
from service.kinds.retrain import RESERVED as OF_RETRAIN
from service.schemas.jobs import PredictorOptions, RetrainOptions


@pytest.mark.parametrize(
    ("schema", "command", "own"),
    [(PredictorOptions, train, OF_PREDICTOR), (RetrainOptions, retrain, OF_RETRAIN)],
)
def test_every_option_of_the_api_exists_in_the_command(
    schema: type[BaseModel], command: click.Command, own: tuple[str, ...]
) -> None:
    entries = allowed(command, own)
    assert set(schema.model_fields) - set(entries) == set()


def test_options_are_parsed_by_their_type() -> None:
    arguments = {"train_fraction": 0.75, "train": 30, "refit": True, "encoder": None}
    assert to_arguments(train, arguments, OF_PREDICTOR) == [
        "--train-fraction=0.75",
        "--train=30",
        "--refit",
    ]


def test_list_repeats_its_option() -> None:
    arguments = to_arguments(train, {"metric": ["top1_12_epochs", "-top1"]}, OF_PREDICTOR)
    assert arguments == ["--metric=top1_12_epochs", "--metric=-top1"]
