"""Segmenters and classifiers of the package MONAI, as others wrote them, with random weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.spaces.elastic.random_cuts import check_random_cuts

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

WIDTHS = (8, 8, 16, 32, 64, 8)

# Name -> class, options, and the least coverage.
NETWORKS: dict[str, tuple[str, dict[str, Any], float]] = {
    "basic-unet": ("BasicUNet", {"out_channels": 4, "features": WIDTHS}, 0.9),
    "unet": (
        "UNet",
        {"out_channels": 4, "channels": (8, 16, 32), "strides": (2, 2), "num_res_units": 2},
        0.9,
    ),
    "segresnet": ("SegResNet", {"out_channels": 4, "init_filters": 8}, 0.8),
    "attention-unet": (
        "AttentionUnet",
        {"out_channels": 4, "channels": (8, 16, 32), "strides": (2, 2)},
        0.9,
    ),
    "dynunet": (
        "DynUNet",
        {
            "out_channels": 4,
            "kernel_size": [3, 3, 3],
            "strides": [1, 2, 2],
            "upsample_kernel_size": [2, 2],
            "filters": [8, 16, 32],
        },
        0.9,
    ),
    "unetplusplus": ("BasicUNetPlusPlus", {"out_channels": 4, "features": WIDTHS}, 0.9),
    "densenet": (
        "DenseNet",
        {"out_channels": 4, "init_features": 16, "growth_rate": 8, "block_config": (2, 4)},
        0.9,
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_network_of_others_is_cut(name: str) -> None:
    pytest.importorskip("torch_pruning")
    networks = pytest.importorskip("monai.networks.nets")
    kind, options, least = NETWORKS[name]
    torch.manual_seed(0)
    model = getattr(networks, kind)(spatial_dims=2, in_channels=3, **options).eval()

    space = check_random_cuts(model, name)

    assert space.report().coverage >= least
