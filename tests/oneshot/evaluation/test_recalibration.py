"""Statistics of batch normalisation are the mean over batches of training images."""

import pytest
import torch
from torch import nn

from oneshot.evaluation.recalibration import gathering, recalibrate
from spaces.modules.elastic import ElasticBatchNorm


def batches() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(8, 3, 4, 4, generator=generator) * scale for scale in (1, 3, 2)]


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm2d(3), nn.BatchNorm2d(3, momentum=None), ElasticBatchNorm(3)]
)
def test_they_are_torchs_cumulative_mean(norm: nn.BatchNorm2d) -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 1), norm)
    before = norm.momentum
    recalibrate(model, batches())
    assert norm.running_mean is not None
    found = norm.running_mean.clone()
    reference = nn.BatchNorm2d(3, momentum=None)
    with torch.no_grad():
        for batch in batches():
            reference(model[0](batch))
    assert reference.running_mean is not None
    assert reference.running_var is not None
    torch.testing.assert_close(found, reference.running_mean, rtol=0, atol=0)
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_var, reference.running_var, rtol=0, atol=0)
    assert norm.momentum == before
    assert norm.num_batches_tracked == 3
    assert not norm.training


def test_old_statistics_leave_no_trace() -> None:
    norm = nn.BatchNorm2d(3)
    norm.running_mean = torch.full((3,), 1e6)
    recalibrate(norm, batches())
    fresh = nn.BatchNorm2d(3)
    recalibrate(fresh, batches())
    assert torch.equal(norm.running_mean, fresh.running_mean)  # type: ignore[arg-type]


def test_a_backbone_in_evaluation_mode_keeps_its_statistics() -> None:
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.BatchNorm2d(3)
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.backbone.eval()
            y: torch.Tensor = self.norm(self.backbone(x))
            return y

    model = Frozen()
    model.backbone.running_mean = torch.full((3,), 5.0)

    recalibrate(model, [torch.full((4, 3, 2, 2), 7.0)])

    assert torch.equal(model.backbone.running_mean, torch.full((3,), 5.0))
    torch.testing.assert_close(model.norm.running_mean, torch.full((3,), 2.0))


def test_an_error_leaves_the_norms_in_evaluation_mode() -> None:
    norm = nn.BatchNorm2d(3)

    def broken() -> None:
        with gathering([norm]):
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        broken()
    assert not norm.training
    assert norm.momentum == 0.1


def test_one_dimensional_norms_are_recalibrated_too() -> None:
    norm = nn.BatchNorm1d(3)
    rows = torch.randn(64, 3, generator=torch.Generator().manual_seed(0)) + 5
    recalibrate(norm, [rows])
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, rows.mean(0))
