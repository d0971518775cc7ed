"""Tables from a few measured networks: what is measured, what is solved, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiler.adapting.adapter import adapt
from profiler.adapting.measuring import LEAST_ROUNDS, measure_designed
from profiler.adapting.table import Adaptation, adapted_table
from spaces import Block, ChainSpace
from tables import LookupTable
from tables.errors import InvalidTransfer
from tables.lookup_table import BlockCost
from tables.ranks import spearman
from tests.profiler.commands.running import run

MakeBackend = Callable[..., Any]
CONDITIONS = {"backend": "fake", "batch": 1, "precision": "fp32", "threads": 1}


def known_table(
    space: ChainSpace, name: str, latency: Callable[[Block], float], **fields: Any
) -> LookupTable:
    blocks = {
        key: BlockCost(latency(block), None, None, block.macs, block.params)
        for key, block in space.all_blocks.items()
    }
    table = LookupTable(
        name=name,
        space=space.name,
        device={"kind": "other", "processor": name},
        conditions=CONDITIONS,
        versions={},
        created="2026-01-01T00:00:00+00:00",
        command="tests",
        seed=0,
        measurement=None,
        blocks=blocks,
        networks=(),
    )
    return replace(table, **fields)


@pytest.fixture
def known(tiny: ChainSpace) -> list[LookupTable]:
    """Two devices, of which neither is like the fake one."""
    return [
        known_table(tiny, "first", lambda block: 0.2 + block.macs / 3e6),
        known_table(tiny, "second", lambda block: 0.01 + block.params / 1e4),
    ]


def make_table(
    known: list[LookupTable], backend: Any, networks: int = 10, **settings: Any
) -> LookupTable:
    return adapt(
        Adaptation.from_tables(known),
        backend,
        name="new",
        device={"kind": "cpu", "processor": "fake"},
        conditions=CONDITIONS,
        networks=networks,
        command="tests",
        **{"budget_s": 0.1, **settings},
    )


def test_a_table_predicts_networks_that_were_not_measured(
    tiny: ChainSpace, known: list[LookupTable], fake: MakeBackend, tmp_path: Path
) -> None:
    backend = fake(networks=4)
    table = make_table(known, backend)
    model = table.cost_model(tiny)
    codes = tiny.sample(np.random.default_rng(7), 200)
    truth = np.array(
        [
            backend.between_ms + sum(backend.truth(block) for block in tiny.blocks(architecture))
            for architecture in tiny.decode(codes)
        ]
    )
    assert spearman(model.estimate(codes), truth) > 0.97
    assert np.abs(model.estimate(codes) / truth - 1).mean() < 0.04
    assert model.sigma == table.sigma_ms
    assert table.sigma_ms is not None
    assert 0 < table.sigma_ms < 0.2 * truth.mean()

    # It is a table like any other: written, read, with references to measure drift by.
    table.save(tmp_path / "new.json")
    assert LookupTable.read(tmp_path / "new.json") == table
    assert table.measured.blocks == "adapted"
    assert table.measured.rounds >= LEAST_ROUNDS
    assert len(table.networks) == 10 * table.measured.rounds
    assert len({sample.codes for sample in table.networks}) == 10


def test_the_measured_networks_do_not_correct_twice(
    tiny: ChainSpace, known: list[LookupTable], fake: MakeBackend
) -> None:
    """The blocks explain the networks already; residuals of a fit to them would be too small."""
    table = make_table(known, fake(networks=4))
    model = table.cost_model(tiny)
    assert model.correction is None
    codes = tiny.sample(np.random.default_rng(3), 20)
    sums = [
        sum(table.blocks[block.key].latency_ms for block in tiny.blocks(architecture))
        for architecture in tiny.decode(codes)
    ]
    assert model.estimate(codes) == pytest.approx(np.array(sums))


def test_drift_is_divided_out(
    tiny: ChainSpace, known: list[LookupTable], fake: MakeBackend
) -> None:
    """A machine that becomes faster from run to run adapts the same table."""
    codes = Adaptation.from_tables(known).design(6)
    steady, drifting = (
        measure_designed(
            tiny, fake(networks=6, drift=drift), codes, budget_s=0.05, threads=1, seed=0
        )
        for drift in (lambda number: 1.0, lambda number: 1.0 + 0.3 / (1 + number))
    )
    ratios = drifting.latency_ms / steady.latency_ms
    assert ratios == pytest.approx(np.full(6, ratios.mean()), rel=0.01)


def test_an_interruption_uses_the_rounds_so_far(
    known: list[LookupTable], fake: MakeBackend
) -> None:
    def interrupt(after: int) -> Callable[[float, str], None]:
        calls: list[str] = []

        def report(fraction: float, state: str) -> None:
            calls.append(state)
            if len(calls) == after:
                raise KeyboardInterrupt

        return report

    table = make_table(
        known, fake(networks=4), budget_s=1000.0, progress=interrupt(LEAST_ROUNDS + 1)
    )
    assert table.measured.stopped_by == "interrupt"
    assert table.measured.rounds == LEAST_ROUNDS + 1
    with pytest.raises(KeyboardInterrupt):
        make_table(known, fake(networks=4), budget_s=1000.0, progress=interrupt(LEAST_ROUNDS - 1))


def test_latencies_from_elsewhere_give_a_table_without_measurement(
    tiny: ChainSpace, known: list[LookupTable]
) -> None:
    adaptation = Adaptation.from_tables(known)
    codes = adaptation.design(10)
    model = known[0].cost_model(tiny)
    table = adapted_table(
        adaptation,
        codes,
        2.0 * model.estimate(codes),
        name="phone",
        device={"kind": "other", "processor": "a phone"},
        conditions=CONDITIONS,
        command="tests",
    )
    assert (table.measurement, table.networks) == (None, ())
    unseen = tiny.sample(np.random.default_rng(5), 100)
    assert table.cost_model(tiny).estimate(unseen) == pytest.approx(
        2.0 * model.estimate(unseen), rel=0.1
    )


def test_tables_of_several_spaces_are_refused(
    tiny: ChainSpace, uneven_space: ChainSpace, known: list[LookupTable]
) -> None:
    other = known_table(uneven_space, "other", lambda block: 1.0)
    with pytest.raises(InvalidTransfer, match=r"'other' is a table of uneven.*spos-tiny"):
        Adaptation.from_tables([*known, other])
    with pytest.raises(InvalidTransfer, match="from: at least one table"):
        Adaptation.from_tables([])


def test_the_command_writes_a_table(known: list[LookupTable], tmp_path: Path) -> None:
    paths = [tmp_path / f"{table.name}.json" for table in known]
    for table, path in zip(known, paths, strict=True):
        table.save(path)
    sources = ",".join(map(str, paths))
    output = tmp_path / "mine.json"
    arguments = ("--threads", "1", "--networks", "4", "--budget", "0.1s", "-o", str(output))
    done = run("adapt", "--from", sources, *arguments)
    assert done.exit_code == 0, done.output
    assert "adapted from first, second" in done.output
    table = LookupTable.read(output)
    assert (table.name, table.space) == ("mine", known[0].space)
    assert table.conditions["backend"] == "torch"
    shown = run("show", str(output))
    assert "adapted from other devices' tables" in shown.output
    assert f"sigma {table.sigma_ms:.3g} ms" in shown.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "nowhere"), "nowhere"),
        (("--from", "amd-epyc-spos-b1-fp32-t2,amd-epyc-proxylessnas-b1-fp32-t2"), "one space"),
        (("--from", "amd-epyc-spos-b1-fp32-t2", "--networks", "2"), "--networks"),
        (("--from", "amd-epyc-spos-b1-fp32-t2", "--budget", "soon"), "soon"),
    ],
)
def test_bad_input_is_refused_before_anything_is_measured(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    output = tmp_path / "mine.json"
    done = run("adapt", *arguments, "-o", str(output))
    assert done.exit_code == 2
    assert message in done.output
    assert not output.exists()
