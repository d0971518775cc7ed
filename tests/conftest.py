"""What all tests share."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
REFERENCE_DATA = ROOT.parent / "shared" / "data"

# Set in the process of a test that has one of its own.
_INSIDE = "PATHFIT_TEST_IN_OWN_PROCESS"

_BEGUN = time.monotonic()

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--slow-until",
        type=float,
        metavar="MINUTES",
        help="skip slow tests that have not begun after this time (default: run all)",
    )


def pytest_configure() -> None:
    # In the environment, so that the commands that tests start as processes find it as well.
    if REFERENCE_DATA.is_dir():
        os.environ.setdefault("PATHFIT_REFERENCE_DATA", str(REFERENCE_DATA))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that starts the tests in the background has it ignored, and so would what tests
        # interrupt.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Workers that each start a thread a core stand in each other's way.
        import torch

        torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Last, so that most are known to pass early, and that `--slow-until` leaves out no others.
    items.sort(key=is_slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    until = item.config.getoption("--slow-until")
    if until is not None and is_slow(item) and time.monotonic() - _BEGUN > 60 * until:
        pytest.skip(f"slow, and --slow-until {until:g} minutes have passed")


def is_slow(item: pytest.Item) -> bool:
    """Return whether a test is marked as slow."""
    return item.get_closest_marker("slow") is not None


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is marked so in a process of its own."""
    if pyfuncitem.get_closest_marker("own_process") is None or _INSIDE in os.environ:
        return None

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", pyfuncitem.nodeid]
    environment = {**os.environ, _INSIDE: "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    return True


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """The folder of the reference data."""
    named = os.environ.get("PATHFIT_REFERENCE_DATA")
    path = Path(named) if named else REFERENCE_DATA
    if not path.is_dir():
        source = (
            "PATHFIT_REFERENCE_DATA names"
            if named
            else "PATHFIT_REFERENCE_DATA is not set; looked at"
        )
        pytest.skip(f"no reference data: {source} {path}, which is not a folder")
    return path
