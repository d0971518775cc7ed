"""Networks of the package transformers, as others wrote them, with random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.spaces.elastic.random_cuts import check_random_cuts

transformers = pytest.importorskip("transformers")
pytest.importorskip("torch_pruning")

pytestmark = pytest.mark.slow

CLASSES = 10


class Logits(nn.Module):
    """A network of transformers that returns its logits."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x).logits
        return logits


def _transformer(**options: Any) -> dict[str, Any]:
    return {
        "hidden_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 96,
        "image_size": 64,
        "patch_size": 16,
        **options,
    }


# Name -> classes of the configuration and the network, options, and the least coverage.
NETWORKS: dict[str, tuple[str, str, dict[str, Any], float]] = {
    "resnet": (
        "ResNetConfig",
        "ResNetForImageClassification",
        {"embedding_size": 16, "hidden_sizes": [32, 64], "depths": [2, 2]},
        0.6,
    ),
    "regnet": (
        "RegNetConfig",
        "RegNetForImageClassification",
        {"embedding_size": 16, "hidden_sizes": [32, 64], "depths": [2, 2], "groups_width": 8},
        0.6,
    ),
    "convnext": (
        "ConvNextConfig",
        "ConvNextForImageClassification",
        {"hidden_sizes": [16, 32], "depths": [2, 2], "num_stages": 2},
        0.6,
    ),
    "efficientnet": (
        "EfficientNetConfig",
        "EfficientNetForImageClassification",
        {
            "width_coefficient": 0.5,
            "depth_coefficient": 0.5,
            "image_size": 64,
            "hidden_dim": 640,
        },
        0.6,
    ),
    "mobilenetv2": (
        "MobileNetV2Config",
        "MobileNetV2ForImageClassification",
        {"depth_multiplier": 0.5, "image_size": 64},
        0.6,
    ),
    "vit": ("ViTConfig", "ViTForImageClassification", _transformer(), 0.6),
    "deit": ("DeiTConfig", "DeiTForImageClassification", _transformer(), 0.6),
    "swin": (
        "SwinConfig",
        "SwinForImageClassification",
        {
            "image_size": 64,
            "embed_dim": 16,
            "depths": [2, 2],
            "num_heads": [2, 4],
            "window_size": 4,
        },
        0.6,
    ),
    "segformer": (
        "SegformerConfig",
        "SegformerForSemanticSegmentation",
        {
            "num_encoder_blocks": 2,
            "depths": [1, 1],
            "sr_ratios": [4, 1],
            "hidden_sizes": [16, 32],
            "num_attention_heads": [1, 2],
            "patch_sizes": [7, 3],
            "strides": [4, 2],
            "mlp_ratios": [2, 2],
            "decoder_hidden_size": 32,
        },
        0.6,
    ),
    "pvt": (
        "PvtConfig",
        "PvtForImageClassification",
        {
            "image_size": 64,
            "num_encoder_blocks": 2,
            "depths": [2, 2],
            "hidden_sizes": [16, 32],
            "patch_sizes": [4, 2],
            "strides": [4, 2],
            "num_attention_heads": [2, 4],
            "sequence_reduction_ratios": [4, 1],
            "mlp_ratios": [4, 4],
        },
        0.6,
    ),
}


def build(name: str) -> nn.Module:
    configuration, network, options, _ = NETWORKS[name]
    make: Callable[..., Any] = getattr(transformers, configuration)
    torch.manual_seed(0)
    model: nn.Module = Logits(
        getattr(transformers, network)(make(num_labels=CLASSES, **options))
    ).eval()
    return model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NETWORKS)
def test_network_of_others_is_cut(name: str) -> None:
    space = check_random_cuts(build(name), name)

    assert space.report().coverage >= NETWORKS[name][3]
