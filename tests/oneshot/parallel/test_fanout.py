"""Fan-out: the same results from one process and from many, in order, with errors that name their
item.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oneshot.errors import InvalidOption
from oneshot.parallel import fanout
from oneshot.parallel.fanout import Fanout
from oneshot.parallel.outcome import Cancelled, ItemFailed, Resources
from spaces.errors import PathfitError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One session of Ray for all tests that take it."""
    from oneshot.parallel.ray_pool import session

    with session(cpus=2):
        yield


@pytest.fixture(params=["local", "ray"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine."""
    if request.param == "ray":
        request.getfixturevalue("cluster")
    return str(request.param)


def test_results_come_in_the_order_of_the_items(engine: str) -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.3 if item == 0 else 0)
        return item * item

    told: list[tuple[float, str]] = []
    found = fanout.map(
        slow_first, range(5), engine=engine, progress=lambda *state: told.append(state)
    )
    assert found == [0, 1, 4, 9, 16]
    assert told[-1] == (1.0, "5/5")
    assert [share for share, _ in told] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert list(Fanout(slow_first, engine).ordered(range(3))) == [0, 1, 4]
    assert fanout.map(slow_first, [], engine=engine) == []


def test_errors_name_the_item(engine: str) -> None:
    def fails(item: int) -> int:
        if item == 3:
            raise ZeroDivisionError("three")
        return item

    def refuses(item: int) -> int:
        raise PathfitError(f"{item} is no number")

    with pytest.raises(ItemFailed, match=r"^item 3: ZeroDivisionError: three$") as caught:
        fanout.map(fails, range(5), engine=engine, name=lambda item: f"item {item}")
    assert "Traceback" in caught.value.details
    assert 'raise ZeroDivisionError("three")' in caught.value.details
    with pytest.raises(ItemFailed, match=r"^7: 7 is no number$"):
        fanout.map(refuses, [7], engine=engine)


def test_work_can_be_cancelled(engine: str) -> None:
    done: list[str] = []
    with pytest.raises(Cancelled, match="cancelled"):
        fanout.map(
            lambda item: time.sleep(0.05),
            range(100),
            engine=engine,
            progress=lambda share, text: done.append(text),
            cancelled=lambda: len(done) >= 2,
        )
    assert 2 <= len(done) < 10


@pytest.mark.slow
def test_a_cancelled_item_in_work_does_not_hold_up(cluster: None) -> None:
    begin = time.monotonic()
    with pytest.raises(Cancelled):
        fanout.map(
            lambda item: time.sleep(300),
            range(2),
            engine="ray",
            cancelled=lambda: time.monotonic() - begin > 0.5,
        )
    assert time.monotonic() - begin < 100


class Loading:
    """Loads once in each process and says which it was."""

    def __init__(self, folder: str):
        self.folder, self.loaded = folder, False

    def __call__(self, item: int) -> int:
        if not self.loaded:
            self.loaded = True
            with open(os.path.join(self.folder, str(os.getpid())), "a") as file:  # noqa: PTH118
                file.write("loaded\n")
        return os.getpid()


def test_what_a_function_keeps_serves_all_items_of_its_process(
    cluster: None, tmp_path: Path
) -> None:
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[Loading.__module__])
    try:
        processes = fanout.map(Loading(str(tmp_path)), range(8), engine="ray", workers=2)
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[Loading.__module__])
    assert os.getpid() not in processes
    assert len(set(processes)) <= 2
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        str(process): "loaded\n" for process in processes
    }


def test_an_item_whose_process_dies_is_tried_again(cluster: None, tmp_path: Path) -> None:
    def dies_once(item: int) -> int:
        mark = tmp_path / str(item)
        if item == 1 and not mark.exists():
            mark.touch()
            os._exit(1)
        return item

    assert fanout.map(dies_once, range(3), engine="ray", workers=2) == [0, 1, 2]
    assert (tmp_path / "1").exists()


def test_an_item_whose_process_dies_every_time_is_named(cluster: None) -> None:
    with pytest.raises(ItemFailed, match=r"^item 0: its process died 2 times"):
        fanout.map(
            lambda item: os._exit(1), [0], engine="ray", retries=1, name=lambda item: f"item {item}"
        )


@pytest.mark.slow
def test_items_say_what_they_occupy(cluster: None) -> None:
    def cores(item: int) -> float:
        import ray

        return float(ray.get_runtime_context().get_assigned_resources()["CPU"])

    needs = {0: 1.0, 1: 2.0, 2: 0.5, 3: 2.0}
    assert fanout.map(
        cores, list(needs), engine="ray", resources=lambda item: Resources(needs[item])
    ) == [1, 2, 0.5, 2]


def test_what_no_machine_offers_is_refused_at_once(cluster: None) -> None:
    with pytest.raises(
        InvalidOption, match=r"an item needs 1 CPUs and 3 GPUs; the largest machine has \d+ and \d"
    ):
        fanout.map(abs, [1], engine="ray", resources=Resources(1, 3))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "dask"}, "engine must be one of local, ray, not 'dask'"),
        ({"workers": 0}, "workers must be at least 1, not 0"),
        ({"workers": 2}, "the engine local is one process, not 2; take the engine ray"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        fanout.map(abs, [1], **options)


SCRIPT = """
import sys, time
from oneshot.parallel import fanout

def wait(item):
    time.sleep(item)
    return item

def progress(share, text):
    print(text, flush=True)

items = [0, 5] if sys.argv[1] == "whole" else [0, 600, 600]
print(fanout.map(wait, items, engine="ray", workers=2, progress=progress))
"""


def session_of(pid: int) -> Path:
    """The folder of the Ray that a process has started; others may start theirs meanwhile."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            text = (entry / "cmdline").read_text(errors="replace")
        except OSError:
            continue
        if int(parent) == pid and (found := re.search(r"/tmp/pf-\w+", text)):
            return Path(found[0])
    raise AssertionError("no process of Ray")


def ray_processes(session: str) -> list[str]:
    """Command lines of the processes that belong to a session's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = entry.read_bytes().replace(b"\\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if session in text:
            found.append(text)
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")
@pytest.mark.parametrize("end", ["whole", "interrupted"])
def test_no_process_and_no_file_is_left(end: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    child = subprocess.Popen(
        [sys.executable, script, end], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdout is not None
    assert child.stdout.readline().startswith("1/")
    session = session_of(child.pid)
    assert session.is_dir()
    if end == "interrupted":
        child.send_signal(2)
    rest, _ = child.communicate(timeout=300)
    assert ("[0, 5]" in rest) == (end == "whole")
    assert (child.returncode == 0) == (end == "whole")
    for _ in range(100):
        if not ray_processes(session.name):
            break
        time.sleep(0.1)
    assert ray_processes(session.name) == []
    assert not session.exists()
