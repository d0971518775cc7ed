"""ExecuTorch as a backend, which needs an environment of its own."""

from dataclasses import replace
from pathlib import Path

import pytest

import spaces
from profiler.backends.base import Conditions
from profiler.backends.executorch_model import ExecuTorch
from profiler.errors import UnsupportedConditions
from tables import LookupTable
from tests.profiler.backends.equality import check_computes_what_torch_does
from tests.profiler.commands.running import TINIEST, run

NEEDS = "needs executorch: pip install 'pathfit[executorch]'"


def pool_threads() -> int:
    """Return the number of threads of the process's pool, which earlier tests may hold."""
    return int(ExecuTorch(Conditions("cpu")).executed()["threads"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "spos-tiny",
        "nasbench201(cells=1, channels=4)",
        "ofa-mobilenetv3(input_size=64)",
        "ofa-mobilenetv3(input_size=64, head=ssdlite)",
    ],
)
def test_executorch_computes_what_torch_does(name: str) -> None:
    pytest.importorskip("executorch", reason=NEEDS)
    check_computes_what_torch_does(
        lambda conditions: ExecuTorch(replace(conditions, threads=pool_threads())), name
    )


@pytest.mark.slow
def test_table_is_built_with_one_number_of_threads(tmp_path: Path) -> None:
    pytest.importorskip("executorch", reason=NEEDS)
    path = tmp_path / "t.json"
    threads = pool_threads()
    options = ("--backend", "executorch", "--threads", str(threads), "--budget", "0.3s")

    built = run("build", "--space", TINIEST, *options, "-o", str(path))

    assert built.exit_code == 0, built.output
    table = LookupTable.read(path)
    assert (table.conditions["backend"], table.conditions["threads"]) == ("executorch", threads)
    assert table.measured.blocks == "solved"

    # The table's networks hold the pool.
    space = spaces.get(TINIEST)
    with pytest.raises(UnsupportedConditions, match="one pool of threads in a process, here with"):
        ExecuTorch(Conditions("cpu", threads=threads + 1)).network_runner(
            space, space.architecture([0, 0, 0])
        )


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        (Conditions("cpu", precision="int8"), "executorch runs fp32 here, not int8"),
        (Conditions("cuda:0"), "executorch runs on the processor here, not on cuda:0"),
    ],
)
def test_conditions_that_it_lacks_are_refused(conditions: Conditions, reason: str) -> None:
    pytest.importorskip("executorch", reason=NEEDS)
    with pytest.raises(UnsupportedConditions, match=reason):
        ExecuTorch(conditions)
