"""Zero-cost proxies of random architectures, which aw_nas calls zero-shot."""

from __future__ import annotations

from typing import Any

from oneshot.pipeline.aw_nas.components import read_data
from oneshot.pipeline.aw_nas.configuration import Configuration
from oneshot.pipeline.aw_nas.replacements import refuse_component
from oneshot.pipeline.aw_nas.sampled import CONTROLLERS, check_random_controller, read_space

_SAME = ("grad_norm", "snip", "grasp", "fisher", "jacob_cov", "plain", "synflow", "synflow_bn")

PROXIES = {**dict(zip(_SAME, _SAME, strict=True)), "relu": "relu_count", "relu_logdet": "naswot"}
"""Name of a proxy in aw_nas -> name here."""


def convert_zero_shot(
    configuration: Configuration, space: str | None, data_name: str | None
) -> dict[str, Any]:
    """Return the pipeline that measures proxies of random architectures."""
    data = read_data(configuration, data_name)
    refuse_component(configuration, "controller_type", *CONTROLLERS)
    refuse_component(configuration, "objective_type", "zero-shot")
    refuse_component(configuration, "evaluator_type", "mepa", "discrete_shared_weights")
    refuse_component(configuration, "trainer_type", "simple")
    if space is None:
        space = read_space(configuration, data, is_trained=False)
    configuration.ignore("search_space_type", "search_space_cfg", "weights_manager_type")
    configuration.stop_at_faults()

    key = "objective_cfg.perf_names"
    names = configuration.get(key)
    if not isinstance(names, list) or not set(names) <= PROXIES.keys():
        configuration.refuse(key, f"there are {', '.join(PROXIES)}")
        names = []

    # Batches are those of the proxies; nothing is trained.
    images = configuration.required_number("evaluator_cfg.batch_size")
    count = configuration.number("trainer_cfg.derive_samples", 8)
    configuration.note_all(
        "weights_manager_cfg",
        "each network has random weights of its own; of a trained supernet set proxies.supernet",
    )
    check_random_controller(configuration)
    # Architectures of a sample differ.
    configuration.ignore("controller_cfg.avoid_repeat", "controller_cfg.schedule_cfg")
    configuration.ignore("objective_cfg.aggregate_as_list", "objective_cfg.schedule_cfg")
    for prefix in ("evaluator_cfg", "trainer_cfg"):
        configuration.note_all(prefix, "nothing is trained; its batch and its sample are kept")
    proxies = {"n": count, "proxy": [PROXIES[name] for name in names], "images": images}
    return {"space": space, "data": data, "proxies": proxies}
