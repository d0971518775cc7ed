"""Predictors that begin with the weights of one of another space."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import predictor
import spaces
from predictor.commands import main
from predictor.commands.options import load_source
from predictor.encoders.gates import GatesEncoder
from predictor.ensemble.predictor import Fitting, GraphPredictor
from predictor.ensemble.transfer import OPERATIONS, operation_kind, transfer
from predictor.errors import NotTransferable
from predictor.metrics import kendall_tau
from spaces.space import SearchSpace
from tables.evaluation import Evaluation

WORTH = {"conv3x3": 3.0, "conv1x1": 1.0, "pool": -2.0, "skip": 0.0}


def worth(space: SearchSpace, codes: np.ndarray) -> np.ndarray:
    """The same of operations in every space: convolutions are good, pooling is bad."""
    names = [
        [WORTH.get(operation_kind(name), 0.0) for name in choice.candidates]
        for choice in space.choices
    ]
    return np.sum([np.array(row)[codes[:, column]] for column, row in enumerate(names)], axis=0)


def fitted(name: str, count: int, encoder: str = "gates", epochs: int = 40) -> GraphPredictor:
    space = spaces.get(name)
    codes = space.sample(np.random.default_rng(0), count)
    model = GraphPredictor(space, members=2, fitting=Fitting(epochs=epochs), encoder=encoder)
    model.fit(codes, worth(space, codes) + codes[:, 0] * 0.01)
    return model


def test_operations_take_the_embeddings_of_their_like() -> None:
    given, space = fitted("nasbench101", 12, epochs=1), spaces.get("nasbench201")
    sized = GatesEncoder.from_space(space, **given.encoders[0].sizes())
    before = sized.state_dict()[OPERATIONS].clone()
    transfer(given.encoders, given.space, [sized], space)
    after, theirs = sized.state_dict(), given.encoders[0].state_dict()
    ours, others = list(space.operations), list(given.space.operations)
    for name, like in (
        ("nor_conv_3x3", "conv3x3-bn-relu"),
        ("avg_pool_3x3", "maxpool3x3"),
        ("output", "output"),
    ):
        row, from_row = ours.index(name) + 1, others.index(like) + 1
        assert torch.equal(after[OPERATIONS][row], theirs[OPERATIONS][from_row])
    skip = ours.index("skip_connect") + 1  # the other space has none
    assert torch.equal(after[OPERATIONS][skip], before[skip])
    for name in ("head.0.weight", "convs.4.gate.weight", "state.weight"):
        assert torch.equal(after[name], theirs[name])


def test_few_architectures_rank_better_with_what_another_space_taught(tmp_path: Path) -> None:
    given, space = fitted("nasbench101", 150), spaces.get("nasbench201")
    codes = space.sample(np.random.default_rng(1), 412)
    values = worth(space, codes)
    taus = []
    for begin_with in (None, given):
        model = GraphPredictor(space, members=2, fitting=Fitting(epochs=1), source=begin_with)
        model.fit(codes[:12], values[:12])
        taus.append(kendall_tau(model.predict(codes[12:])[0], values[12:]))
    assert taus[1] > taus[0] + 0.05
    assert model.trained_on["transferred_from"] == {"space": "nasbench101", "architectures": 150}
    model.save(tmp_path / "p.safetensors")
    loaded = predictor.load(tmp_path / "p.safetensors")
    assert np.array_equal(loaded.predict(codes)[0], model.predict(codes)[0])
    assert loaded.trained_on == model.trained_on


def test_what_cannot_be_transferred_says_so(tmp_path: Path) -> None:
    path = tmp_path / "mlp.safetensors"
    mlp = fitted("nasbench101", 12, "mlp", epochs=1)
    mlp.save(path)
    with pytest.raises(NotTransferable, match="mlp has no embeddings of operations"):
        transfer(mlp.encoders, mlp.space, mlp.encoders, spaces.get("nasbench201"))
    with pytest.raises(NotTransferable, match="of the kind mlp; gates begins"):
        load_source(path, "gates")
    with pytest.raises(NotTransferable, match="gp has no weights"):
        load_source(path, "gp")


def test_train_and_bench_begin_with_a_file(tmp_path: Path) -> None:
    given = tmp_path / "given.safetensors"
    fitted("nasbench101", 12, epochs=1).save(given)
    space = spaces.get("nasbench201")
    codes = space.sample(np.random.default_rng(2), 20)
    lines = [
        Evaluation(architecture, {"top1": float(value)}).to_json()
        for architecture, value in zip(space.decode(codes), worth(space, codes), strict=True)
    ]
    data = tmp_path / "evaluations.jsonl"
    data.write_text("\n".join(lines) + "\n")
    out = tmp_path / "p.safetensors"
    common = [
        "--data",
        str(data),
        "--space",
        "nasbench201",
        "--metric",
        "top1",
        "--train",
        "12",
        "-o",
        str(out),
    ]
    done = CliRunner().invoke(
        main, ["train", *common, "--encoder", "gates", "--transfer", str(given)]
    )
    assert done.exit_code == 0, done.output
    loaded = predictor.load(out)
    assert isinstance(loaded, GraphPredictor)
    assert loaded.trained_on["transferred_from"]["space"] == "nasbench101"
    assert loaded.encoders[0].sizes() == {
        "hidden": 96,
        "head": 200,
        "head_layers": 1,
        "on_edges": False,
    }
    refused = CliRunner().invoke(
        main, ["train", *common, "--encoder", "gp", "--transfer", str(given)]
    )
    assert refused.exit_code == 2
    assert "gp has no weights" in refused.output
