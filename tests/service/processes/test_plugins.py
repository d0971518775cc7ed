"""Plug-ins of the service in its child processes, workers and commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

PLUGIN = """
from oneshot.strategies.random import RandomSearch
from oneshot.strategies.registry import register_strategy


@register_strategy("mine")
class Mine(RandomSearch):
    pass
"""

PROBE = """
import json
import sys
from pathlib import Path

from oneshot.strategies.registry import STRATEGIES


def write(name):
    Path(name).write_text(json.dumps("mine" in STRATEGIES.names()), encoding="utf-8")
"""

CHILD = """
import probe
from service.processes.child_process import read_order

probe.write(read_order(lambda: None))
"""

COMMAND = """
import sys

import probe

probe.write(sys.argv[1])
"""

WORKER = """
import sys

import probe
from service.engine.job_worker import JobWorker

JobWorker("artifacts", warm=False, plugins=sys.argv[1:])
probe.write("worker.json")
"""

PARENT = """
import sys
from pathlib import Path

from service.artifacts import Artifacts
from service.kinds.base import Context
from service.kinds.command import run
from service.processes.child_process import Child
from spaces.plugins import load_file


class Nothing:
    def progress(self, progress):
        pass

    def cancelled(self):
        return False


load_file(sys.argv[1])
assert Child("child_probe", "child.json").close(60)
run(["command_probe", "command.json"], Context("job", 1, Path(), Artifacts("a"), Nothing()), 1)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a plug-in and with modules that report whether they know its strategy."""
    files = {
        "plugin.py": PLUGIN,
        "probe.py": PROBE,
        "child_probe.py": CHILD,
        "command_probe.py": COMMAND,
        "worker_probe.py": WORKER,
        "parent.py": PARENT,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: str) -> None:
    path = os.pathsep.join([str(ROOT), str(folder)])
    subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        timeout=300,
    )


def known(folder: Path, name: str) -> bool:
    return bool(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))


def test_children_and_commands_load_the_plugins_of_their_parent(folder: Path) -> None:
    run(folder, "parent.py", "plugin.py")
    assert known(folder, "child")
    assert known(folder, "command")


@pytest.mark.parametrize("plugins", [[], ["plugin.py"]], ids=["without", "with"])
def test_worker_loads_the_plugins_that_it_is_given(folder: Path, plugins: list[str]) -> None:
    run(folder, "worker_probe.py", *plugins)
    assert known(folder, "worker") is bool(plugins)
