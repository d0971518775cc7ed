"""`oneshot search --verify`: measured next to predicted latencies, resumption, bad input."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spaces
from oneshot.search.measuring import LocalDevice
from profiler.backends.registry import BACKENDS, register_backend
from spaces.architecture import Architecture
from tables import LookupTable
from tests.oneshot.commands.running import done, run
from tests.steady import SteadyBackend, latency_of, steady_table

SPACE = spaces.get("spos-tiny")


class MostMacs:
    """Prefers costly networks."""

    def score(self, codes: Any) -> Any:
        """Return the MACs."""
        return SPACE.macs(codes).astype(float), np.zeros(len(codes))

    def to_dict(self) -> dict[str, Any]:
        """Return its name."""
        return {"kind": "macs"}


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the table of this machine, on which a steady backend runs."""
    monkeypatch.setattr("oneshot.commands.search.load_guide", lambda *_, **__: MostMacs())
    path = tmp_path / "mine.json"
    with BACKENDS.preserved():
        register_backend("steady")(SteadyBackend)
        steady_table(SPACE, name="mine").save(path)
        yield path


def arguments(table: Path, output: Path, *more: object) -> tuple[object, ...]:
    limit = f"latency_ms<=1.6@{table}"
    options = ("--option", "generations=3", "--constraint", limit, "--verify", 3)
    return "search", "--space", "spos-tiny", "--guide", "mine", *options, "-o", output, *more


def without_time(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    value.pop("seconds")
    return value


def test_verified_networks_are_measured_and_replaced(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = LookupTable.read(table).cost_model(SPACE)
    unverified = tmp_path / "plain.json"
    done(*(item for item in arguments(table, unverified) if item not in ("--verify", 3)))
    best = json.loads(unverified.read_text())["best"][0]["architecture"]

    # Since the build, a block of the best network has become slow.
    blocks = SPACE.blocks(Architecture.from_dict(best))
    slow = max(blocks, key=lambda block: model.table is not None and block.macs)
    monkeypatch.setattr(SteadyBackend, "slower", {slow.key: 4.0})
    path = tmp_path / "found.json"
    output = done(*arguments(table, path))

    verification = json.loads(path.read_text())["verification"]
    assert verification["excluded"][0]["architecture"] == best
    assert "breaks the limit" in output
    for network in (*verification["networks"], *verification["excluded"]):
        architecture = Architecture.from_dict(network["architecture"])
        assert network["raw_ms"] == pytest.approx(latency_of(SPACE, architecture), rel=1e-3)
        predicted = float(model.estimate([architecture])[0])
        assert network["predicted_ms"] == pytest.approx(predicted, rel=1e-3)
    measured = [network["measured_ms"] for network in verification["networks"]]
    assert measured == sorted(measured)
    assert all(ms <= 1.6 for ms in measured)


def test_interrupted_measurements_resume_to_the_same_result(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole.json"
    done(*arguments(table, whole))
    measure = LocalDevice.measure

    def interrupted(self: LocalDevice, codes: Any, progress: Any) -> Any:
        measure(self, codes, progress)
        raise KeyboardInterrupt

    broken = tmp_path / "broken.json"
    with monkeypatch.context() as patch:
        patch.setattr(LocalDevice, "measure", interrupted)
        stopped = run(*arguments(table, broken))
    assert stopped.exit_code == 130
    assert "stopped after 0 measured networks; resume with --resume" in stopped.stderr
    assert not broken.exists()

    done(*arguments(table, broken, "--resume"))
    assert without_time(broken) == without_time(whole)


def test_bad_options_are_refused_before_the_search(table: Path, tmp_path: Path) -> None:
    output = tmp_path / "found.json"
    value = json.loads(table.read_text())
    value["device"]["processor"] = "abacus"
    foreign = tmp_path / "foreign.json"
    foreign.write_text(json.dumps(value))

    refused = run(*arguments(foreign, output))
    assert refused.exit_code == 2
    assert "'mine' was measured on abacus, this machine has" in refused.stderr
    plain = ("search", "--space", "spos-tiny", "--guide", "mine", "-o", output)
    assert "name one with --table" in run(*plain, "--verify", 3).stderr
    assert "--table is for --verify" in run(*plain, "--table", table).stderr
    assert not list(tmp_path.glob("found*"))


def test_verification_of_decoders_is_refused_with_both_latencies(tmp_path: Path) -> None:
    output = tmp_path / "found.json"
    options = ("--space", "decoder-tiny", "--guide", "mine", "--verify", 3)
    refused = run("search", *options, "--constraint", "params<=1e6", "-o", output)
    assert refused.exit_code == 2
    assert "verify: networks of decoder-tiny have prefill_ms and decode_ms" in refused.stderr
    assert not output.exists()
