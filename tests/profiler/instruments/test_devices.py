"""Devices and their names."""

import os
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner

from profiler.commands import main
from profiler.errors import DeviceNotFound
from profiler.instruments.devices import devices, find


@pytest.fixture
def without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    def properties(index: int) -> SimpleNamespace:
        return SimpleNamespace(
            name=f"Maker's {index}",
            multi_processor_count=10 + index,
            total_memory=1 << (30 + index),
        )

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)


def test_the_processor_is_always_there(without_cuda: None) -> None:
    (cpu,) = devices()
    assert find("cpu") == cpu
    assert (cpu.name, cpu.torch_name, cpu.kind) == ("cpu", "cpu", "cpu")
    assert cpu.processor
    assert cpu.identity["cores"] == len(os.sched_getaffinity(0))
    assert cpu.to_dict() == {"kind": "cpu", "processor": cpu.processor, **cpu.identity}


@pytest.mark.parametrize("name", ["gpu", "gpu:0", "cuda", "cuda:3"])
def test_without_cuda_a_gpu_is_refused(without_cuda: None, name: str) -> None:
    with pytest.raises(DeviceNotFound) as caught:
        find(name)
    assert (
        str(caught.value) == f"--device {name}: this torch sees no CUDA device here; available: cpu"
        f" ({find('cpu').processor})"
    )


@pytest.mark.parametrize("name", ["tpu", "", "CPU", "cpu:0:0"])
def test_unknown_devices_name_those_that_exist(without_cuda: None, name: str) -> None:
    with pytest.raises(DeviceNotFound) as caught:
        find(name)
    assert str(caught.value).startswith(f"unknown device {name!r}; available: cpu (")


@pytest.mark.parametrize(
    ("name", "index"),
    [("gpu", 0), ("gpu:0", 0), ("cuda", 0), ("cuda:0", 0), ("gpu:1", 1), ("cuda:1", 1)],
)
def test_cuda_devices_have_numbers(two_gpus: None, name: str, index: int) -> None:
    device = find(name)
    assert (device.kind, device.index, device.processor) == ("cuda", index, f"Maker's {index}")
    assert (device.name, device.torch_name) == (f"gpu:{index}", f"cuda:{index}")
    assert (device.to_dict()["cores"], device.to_dict()["memory_bytes"]) == (
        10 + index,
        1 << (30 + index),
    )


def test_a_number_too_many_names_all(two_gpus: None) -> None:
    with pytest.raises(
        DeviceNotFound,
        match=r"unknown device 'gpu:2'; available: cpu .*, gpu:0 \(.* 0\), gpu:1 \(.* 1\)",
    ):
        find("gpu:2")


def test_the_command_lists_them(two_gpus: None) -> None:
    result = CliRunner().invoke(main, ["devices"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in result.stdout.splitlines()
        if "│" in line
    ]
    assert [row[0] for row in rows] == ["cpu", "gpu:0", "gpu:1"]
    assert rows[1][1:3] == ["Maker's 0", "10"]
