"""Votes of columns of evidence without labels."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import predictor
from predictor.commands.train import train
from predictor.errors import InvalidValues
from predictor.evidence.columns import EvidenceColumn
from predictor.evidence.consensus import Consensus
from predictor.evidence.predictor import EvidencePredictor
from predictor.evidence.training import train_without_labels
from predictor.metrics import kendall_tau
from tests.predictor.evidence.small_evidence import SPACE, misleading, quality, sample, write_rows


def test_column_that_contradicts_all_others_has_no_vote() -> None:
    rng = np.random.default_rng(0)
    quality = rng.normal(size=300)
    good = [quality + rng.normal(size=300) for _ in range(3)]

    consensus = Consensus.from_features(np.stack([*good, -quality], axis=1))

    assert consensus.votes.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])


def test_constant_column_and_a_pair_keep_their_votes() -> None:
    rising = np.linspace(0, 1, 20)
    constant = Consensus.from_features(np.stack([rising, rising**2, np.ones(20)], axis=1))
    # Of two that contradict each other nothing tells which one misleads.
    pair = Consensus.from_features(np.stack([rising, -rising], axis=1))

    assert constant.votes.tolist() == pytest.approx([1 / 3] * 3)
    assert pair.votes.tolist() == [0.5, 0.5]


def test_deviation_of_votes_is_their_disagreement() -> None:
    consensus = Consensus(np.array([0.5, 0.5, 0.0]))

    mean, variance = consensus.predict(np.array([[1.0, 3.0, 50.0], [2.0, 2.0, -50.0]]))

    assert mean.tolist() == [2.0, 2.0]
    assert variance.tolist() == [1.0, 0.0]


def test_columns_vote_without_labels_and_are_saved(tmp_path: Path) -> None:
    codes = sample(40, 0)
    noisy = quality(codes) + misleading(codes)
    columns = [
        EvidenceColumn("good", "a", codes, quality(codes)),
        EvidenceColumn("noisy", "a", codes, noisy),
        EvidenceColumn("perverse", "b", codes, -quality(codes)),
    ]
    model = EvidencePredictor(SPACE, columns=columns)

    model.fit_without_labels()
    model.save(tmp_path / "p.safetensors")
    loaded = predictor.load(tmp_path / "p.safetensors")

    others = sample(200, 1)
    mean, deviation = model.predict(others)
    assert model.trained_on["weights"] == {"a:good": 0.5, "a:noisy": 0.5, "b:perverse": 0.0}
    agreements = model.trained_on["agreements"]
    assert agreements["a:good"] == pytest.approx(agreements["a:noisy"])
    assert agreements["a:good"] > 0 > agreements["b:perverse"]
    assert kendall_tau(mean, quality(others)) > 0.6
    assert (deviation >= 0).all()
    assert loaded.trained_on == model.trained_on
    assert np.array_equal(loaded.predict(others)[0], mean)
    assert np.array_equal(loaded.predict(others)[1], deviation)
    assert loaded.predict(others[:0])[0].shape == (0,)
    with pytest.raises(InvalidValues, match="without labels needs columns of evidence"):
        EvidencePredictor(SPACE).fit_without_labels()


def test_labels_end_a_vote() -> None:
    codes = sample(40, 0)
    columns = [
        EvidenceColumn("good", "a", codes, quality(codes)),
        EvidenceColumn("misleading", "b", codes, misleading(codes)),
    ]
    voted = EvidencePredictor(SPACE, columns=columns)
    voted.fit_without_labels()
    labelled = sample(24, 1)
    voted.fit(labelled, quality(labelled))

    direct = EvidencePredictor(SPACE, columns=columns)
    direct.fit(labelled, quality(labelled))

    others = sample(50, 2)
    assert np.array_equal(voted.predict(others)[0], direct.predict(others)[0])


def test_evidence_names_the_columns_without_a_vote(tmp_path: Path) -> None:
    codes = sample(30, 0)
    proxies = write_rows(
        tmp_path / "proxies.jsonl",
        codes,
        "proxies",
        naswot=quality(codes),
        meco=quality(codes) + misleading(codes),
    )
    supernet = write_rows(
        tmp_path / "supernet.jsonl", codes, "supernet", cross_entropy=quality(codes)
    )

    model = train_without_labels([str(proxies), str(supernet)], "spos-tiny")

    agreements = model.trained_on["agreements"]
    correlation = f"{agreements[f'{proxies}:meco']:.2f}"
    assert model.trained_on["evidence"] == (
        "evidence: 30 networks' proxies, 30 supernet evaluations, no labels; each column correlates"
        f" with the others by {correlation} to {correlation}; without a vote, against all others:"
        f" {supernet}:cross_entropy"
    )


def test_evidence_names_columns_of_one_file_without_it(tmp_path: Path) -> None:
    codes = sample(30, 0)
    values = quality(codes)
    path = write_rows(
        tmp_path / "p.jsonl", codes, "proxies", naswot=values, meco=values, zen=-values
    )
    evidence = train_without_labels([str(path)], "spos-tiny").trained_on["evidence"]
    assert evidence.endswith("; without a vote, against all others: zen")


def test_command_trains_without_labels(tmp_path: Path) -> None:
    codes = sample(30, 0)
    proxies = write_rows(tmp_path / "proxies.jsonl", codes, "proxies", naswot=quality(codes))
    output = tmp_path / "p.safetensors"
    base = ["--space", "spos-tiny", "-o", str(output)]

    result = CliRunner().invoke(train, ["--columns", str(proxies), *base], catch_exceptions=False)
    missing = CliRunner().invoke(train, base)

    assert "trained on 30 architectures without labels" in result.output
    assert predictor.load(output).describe_metric()["metric"] == "mean_log_rank"
    assert missing.exit_code == 2
    assert "Missing option '--data'" in missing.output
    with pytest.raises(InvalidValues, match="--metric top1 is one of --data, which is missing"):
        CliRunner().invoke(
            train, ["--columns", str(proxies), "--metric", "top1", *base], catch_exceptions=False
        )
