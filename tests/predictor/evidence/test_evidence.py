"""A predictor over columns of evidence of different worth, with few labels."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

import predictor
import spaces
from predictor.commands.train import train
from predictor.errors import InvalidValues
from predictor.evidence.columns import ColumnModel, EvidenceColumn, read_columns
from predictor.evidence.predictor import EvidencePredictor
from predictor.evidence.training import label_agreement, train_on_evidence
from predictor.evidence.weights import EvidenceWeights
from predictor.metrics import kendall_tau
from spaces.space import Codes
from tables.errors import InvalidEvaluation
from tables.evaluation import Evaluation
from tests.predictor.evidence.small_evidence import SPACE, misleading, quality, sample, write_rows

SMALL_IMAGES = spaces.get("spos-tiny(input_size=16)")


@pytest.fixture(scope="module")
def fitted() -> EvidencePredictor:
    codes = sample(40, 0)
    columns = [
        EvidenceColumn("good", "a", codes, quality(codes)),
        EvidenceColumn("misleading", "b", codes, misleading(codes)),
    ]
    model = EvidencePredictor(SPACE, columns=columns)
    labelled = sample(24, 1)
    model.fit(labelled, quality(labelled))
    return model


def test_labels_find_the_column_that_agrees_with_them(fitted: EvidencePredictor) -> None:
    codes = sample(300, 2)
    mean, deviation = fitted.predict(codes)

    good, bad = fitted.trained_on["weights"].values()
    equal = fitted.models[0].log_ranks(codes) + fitted.models[1].log_ranks(codes)
    assert good > 2 * abs(bad)
    assert kendall_tau(mean, quality(codes)) > 0.8 > kendall_tau(equal, quality(codes))
    assert (deviation > 0).all()
    assert fitted.trained_on["cross_validation"]["spearman"] > 0.8


def test_saved_and_loaded_predictions_are_identical(
    fitted: EvidencePredictor, tmp_path: Path
) -> None:
    path = tmp_path / "evidence.safetensors"
    fitted.save(path)
    loaded = predictor.load(path)

    codes = sample(20, 3)
    assert isinstance(loaded, EvidencePredictor)
    assert loaded.trained_on == fitted.trained_on
    for first, second in zip(loaded.predict(codes), fitted.predict(codes), strict=True):
        assert np.array_equal(first, second)


def test_without_columns_it_is_a_gaussian_process() -> None:
    codes = sample(40, 4)
    model = predictor.make("evidence", SPACE)
    model.fit(codes, quality(codes))

    others = sample(200, 5)
    assert kendall_tau(model.predict(others)[0], quality(others)) > 0.8


def test_labels_of_noise_leave_equal_weights() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(16, 6))
    prior = np.full(6, 1 / 6)
    labels = features @ prior + 0.3 * rng.normal(size=16)

    weights = EvidenceWeights.fit(features, labels, prior)

    assert weights.strength == np.inf
    assert weights.weights == pytest.approx(np.full(6, weights.weights[0]))
    assert weights.weights[0] > 0


def test_many_labels_turn_the_sign_of_a_column() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 2))
    labels = features[:, 0] - 0.5 * features[:, 1] + 0.1 * rng.normal(size=200)

    weights = EvidenceWeights.fit(features, labels, np.full(2, 0.5))

    assert weights.weights == pytest.approx([1.0, -0.5], abs=0.15)


def test_deviation_grows_where_the_evidence_disagrees() -> None:
    rng = np.random.default_rng(0)
    both = rng.normal(size=40)
    features = np.stack([both, both + 0.1 * rng.normal(size=40)], axis=1)
    weights = EvidenceWeights.fit(features, both, np.full(2, 0.5))

    _, variances = weights.predict(np.array([[1.0, 1.0], [3.0, -1.0]]))

    assert variances[1] > variances[0] or weights.strength == np.inf


def test_constant_column_has_one_rank() -> None:
    codes = sample(12, 0)
    model = ColumnModel.fit(EvidenceColumn("flat", "a", codes, np.ones(12)), SPACE, seed=0)
    assert np.ptp(model.log_ranks(sample(50, 1))) == 0


def test_columns_of_another_form_of_the_space_are_adopted(tmp_path: Path) -> None:
    codes = sample(12, 0)
    path = tmp_path / "proxies.jsonl"
    rows = [
        Evaluation(architecture, {"naswot": 1.0, "own": 2.0}, {"kind": "proxies"})
        for architecture in SMALL_IMAGES.decode(codes)
    ]
    path.write_text("".join(row.to_json() + "\n" for row in rows))

    columns = read_columns([str(path)], SPACE)

    assert [column.name for column in columns] == ["naswot", "own"]
    assert np.array_equal(columns[0].codes, codes)


def test_losses_are_columns_of_which_less_is_better(tmp_path: Path) -> None:
    codes = sample(12, 0)
    losses = np.linspace(1, 2, 12)
    path = write_rows(tmp_path / "s.jsonl", codes, "supernet", cross_entropy=losses, top1=losses)

    (loss,) = read_columns([str(path)], SPACE)
    (accuracy,) = read_columns([f"{path}:top1"], SPACE)

    assert loss.values.tolist() == (-losses).tolist()
    assert accuracy.values.tolist() == losses.tolist()


def test_columns_of_other_choices_are_refused(tmp_path: Path) -> None:
    architecture = spaces.get("nasbench201").architecture([3, 3, 3, 1, 3, 2])
    path = tmp_path / "proxies.jsonl"
    path.write_text(Evaluation(architecture, {"naswot": 1.0}, {"kind": "proxies"}).to_json())

    with pytest.raises(InvalidEvaluation, match=r"proxies.jsonl: .*other choices than spos-tiny"):
        read_columns([str(path)], SPACE)


def test_unstable_labels_weigh_columns_but_correct_nothing() -> None:
    """All labels share an error, which cross-validation takes for a gain."""
    codes = sample(40, 0)
    columns = [EvidenceColumn("good", "a", codes, quality(codes))]
    labelled = sample(40, 1)
    labels = quality(labelled) + 2 * misleading(labelled)

    stable = EvidencePredictor(SPACE, columns=columns)
    stable.fit(labelled, labels)
    unstable = EvidencePredictor(SPACE, columns=columns, label_agreement=-0.2)
    unstable.fit(labelled, labels)

    others = sample(200, 2)
    truth = quality(others)
    assert stable.trained_on["corrects_residuals"]
    assert not unstable.trained_on["corrects_residuals"]
    assert kendall_tau(unstable.predict(others)[0], truth) > 0.9
    assert kendall_tau(stable.predict(others)[0], truth) < 0.8


def test_groups_that_rank_the_space_against_each_other_are_named(tmp_path: Path) -> None:
    codes = sample(24, 0)
    good = write_rows(tmp_path / "good.jsonl", codes, "proxies", naswot=quality(codes))
    bad = write_rows(tmp_path / "bad.jsonl", codes, "proxies", zen=-quality(codes))
    trained = write_rows(tmp_path / "t.jsonl", codes[:12], "training", top1=quality(codes[:12]))

    model = train_on_evidence(trained, [str(good), str(bad)], "spos-tiny", "top1")
    alone = train_on_evidence(trained, [str(good)], "spos-tiny", "top1")

    ((first, second, correlation),) = model.contradictions()
    assert (first, second) == (str(good), str(bad))
    assert correlation < -0.8
    assert f"{good} and {bad} contradict each other" in model.trained_on["evidence"]
    assert "contradict" not in alone.trained_on["evidence"]


def test_agreement_weighs_pairs_of_lengths_by_their_networks() -> None:
    architectures = SPACE.decode(sample(5, 0))
    rows = [
        Evaluation(architecture, {"loss_at_10": row, "loss_at_30": row, "projected_loss": 0.0})
        for row, architecture in enumerate(architectures)
    ]
    for row, last in zip(rows[:3], (3.0, 2.0, 1.0), strict=True):
        assert isinstance(row.metrics, dict)
        row.metrics["loss_at_70"] = last

    # Five networks agree fully, three of them not at all with what follows.
    assert label_agreement(rows, "projected_loss") == pytest.approx((5 * 1 + 3 * -1) / 8)
    assert label_agreement(rows, "top1") is None


def test_command_trains_on_columns_and_prints_the_evidence(tmp_path: Path) -> None:
    codes = sample(30, 0)
    labelled = sample(12, 1)
    proxies = write_rows(tmp_path / "proxies.jsonl", codes, "proxies", naswot=quality(codes))
    supernet = write_rows(
        tmp_path / "supernet.jsonl", codes, "supernet", cross_entropy=-misleading(codes)
    )
    trained = write_rows(
        tmp_path / "trained.jsonl", labelled, "training", cross_entropy=-quality(labelled)
    )
    output = tmp_path / "p.safetensors"
    command = [
        *("--data", str(trained), "--columns", str(proxies), "--columns", str(supernet)),
        *("--space", "spos-tiny", "--report", str(tmp_path / "r.json"), "-o", str(output)),
    ]

    result = CliRunner().invoke(train, command, catch_exceptions=False)
    report = json.loads((tmp_path / "r.json").read_text())

    correlation = f"{report['cross_validation']['spearman']:.2f}"
    assert (
        "evidence: 30 networks' proxies, 30 supernet evaluations, 12 short trainings; rank"
        f" correlation in cross-validation {correlation}"
    ) in result.output
    assert predictor.load(output).trained_on["evidence"] in result.output
    with pytest.raises(InvalidValues, match="evidence or dele, not for gates"):
        CliRunner().invoke(train, [*command, "--encoder", "gates"], catch_exceptions=False)


@pytest.mark.parametrize("count", [40, 120])
def test_deviations_hold_for_a_synthetic_truth(count: int) -> None:
    """A known truth, of which a column has one half and the other half is smooth in the codes."""
    codes = sample(60, 0)
    columns = [EvidenceColumn("half", "a", codes, quality(codes))]
    labelled = sample(count, 1)

    def truth(architectures: Codes, seed: int) -> NDArray[np.float64]:
        noise = 0.3 * np.random.default_rng(seed).normal(size=len(architectures))
        return quality(architectures) + misleading(architectures) + noise

    model = EvidencePredictor(SPACE, columns=columns)
    model.fit(labelled, truth(labelled, 0))

    others = sample(600, 2)
    mean, deviation = model.predict(others)
    errors = np.abs(mean - truth(others, 3))
    assert model.trained_on["corrects_residuals"]
    assert 0.5 < np.mean(errors <= deviation) < 0.9
    assert np.mean(errors <= 2 * deviation) > 0.85
    # The larger half of the deviations is not of smaller errors.
    assert errors[deviation > np.median(deviation)].mean() > 0.9 * errors.mean()


def test_correction_of_residuals_lowers_the_deviation() -> None:
    codes = sample(60, 0)
    columns = [EvidenceColumn("half", "a", codes, quality(codes))]
    labelled = sample(80, 1)
    labels = quality(labelled) + misleading(labelled)

    corrected = EvidencePredictor(SPACE, columns=columns)
    corrected.fit(labelled, labels)
    # Labels that say little of longer trainings are not corrected.
    linear = EvidencePredictor(SPACE, columns=columns, label_agreement=-0.2)
    linear.fit(labelled, labels)

    others = sample(200, 2)
    assert corrected.residuals is not None
    assert linear.residuals is None
    assert corrected.predict(others)[1].mean() < 0.8 * linear.predict(others)[1].mean()
