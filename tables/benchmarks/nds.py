"""Networks of NDS from its project's JSON files.

Radosavovic et al., ICCV 2019 (arXiv 1905.13214); facebookresearch/nds. `ResNet.json` and
`ResNeXt-A.json` are lists of `{"net": {"ds": [1, 2, 4, 1], "ws": [16, 32, 64, 64], "bot_muls": [1,
0.5, 1, 0.25], "num_gs": [1, 2, 4, 1], ...}, "min_test_top1": 6.3, ...}`: values of the stem and of
three stages, and the least test error of all epochs in percent. Networks that occur several times
have the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spaces.errors import InvalidArchitecture
from spaces.progress import Progress, silent
from spaces.registry import get
from spaces.zoo.nds import STRIDES
from tables.benchmarks.errors import InvalidBenchmark
from tables.benchmarks.json_results import accuracy, json_value, mean_records
from tables.benchmarks.records import Records

_FIELDS = {"depth": "ds", "width": "ws", "ratio": "bot_muls", "groups": "num_gs"}
"""Kind of a choice -> field of `net`."""


def read_resnet(path: Path, progress: Progress = silent) -> Records:
    """Read the ResNets of a file.

    Args:
        path: `ResNet.json`, or one of its repetitions `ResNet_rng1.json` and so on.
        progress: Not called: the file is read in a moment.

    Raises:
        InvalidBenchmark: The file is broken; the network and the field are named.
    """
    return _read(path, "nds-resnet")


def read_resnext(path: Path, progress: Progress = silent) -> Records:
    """Read the ResNeXts of a file.

    Args:
        path: `ResNeXt-A.json`.
        progress: Not called: the file is read in a moment.

    Raises:
        InvalidBenchmark: The file is broken; the network and the field are named.
    """
    return _read(path, "nds-resnext")


def _read(path: Path, name: str) -> Records:
    networks = json_value(path)
    if not isinstance(networks, list) or not networks:
        raise InvalidBenchmark(f"{path}: needs a list of networks, such as [{{'net': {{...}}}}]")

    space = get(name)
    rows, accuracies = [], []
    for number, network in enumerate(networks):
        position = f"{path}: network {number}"
        if not isinstance(network, Mapping) or not isinstance(network.get("net"), Mapping):
            raise InvalidBenchmark(f"{position} has no 'net': {network!r:.60}")

        values = {kind: _stages(network["net"], field, position) for kind, field in _FIELDS.items()}
        try:
            rows.append(
                [
                    choice.code(choice.candidates[0][0] + _value(values, choice.key, position))
                    for choice in space.choices
                ]
            )
        except InvalidArchitecture as error:
            raise InvalidBenchmark(f"{position}: {error}") from error
        test_error = accuracy(network.get("min_test_top1"), f"{position}: min_test_top1")
        accuracies.append(100 - test_error)

    codes = space.check(np.array(rows))
    return mean_records(name, codes, {("cifar10_test_acc", None): np.array(accuracies)})


def _stages(net: Mapping[str, Any], field: str, position: str) -> Sequence[Any] | None:
    """Return the values of the three stages; None where a network has no such field."""
    values = net.get(field)
    # ResNets have empty lists in place of bottlenecks.
    if not values:
        return None
    if not isinstance(values, list) or len(values) != len(STRIDES) + 1:
        raise InvalidBenchmark(
            f"{position}: {field} has a value for the stem and each of {len(STRIDES)} stages, not"
            f" {values!r:.60}"
        )
    return values[1:]


def _value(values: Mapping[str, Sequence[Any] | None], key: str, position: str) -> str:
    """Return the text of the number that a choice such as `depth_1` has."""
    kind, _, stage = key.partition("_")
    numbers = values[kind]
    if numbers is None:
        raise InvalidBenchmark(f"{position} lacks {_FIELDS[kind]}")
    number = numbers[int(stage) - 1]
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise InvalidBenchmark(f"{position}: {_FIELDS[kind]} has numbers, not {number!r:.60}")
    return f"{number:g}"
