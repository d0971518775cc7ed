"""The average of weights is the recursion that it says, and goes on where it was."""

import torch
from torch import nn

from oneshot.retraining.moving_average import MovingAverage


def moved(model: nn.Linear, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(torch.randn(value.shape, generator=generator))


def test_average_is_the_recursion() -> None:
    model = nn.Linear(3, 2)
    average = MovingAverage(model, 0.6)
    expected = model.weight.detach().clone()
    for step in range(20):
        moved(model, step)
        average.follow(model)
        decay = min(0.6, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.weight.detach()
    torch.testing.assert_close(average.weights["weight"], expected)
    before = model.weight.detach().clone()
    average.give_to(model)
    assert not torch.equal(model.weight, before)
    torch.testing.assert_close(model.weight.detach(), expected)


def test_the_first_weights_are_forgotten() -> None:
    model = nn.Linear(3, 2)
    average = MovingAverage(model, 0.9999)
    moved(model, 0)
    for _ in range(100):
        average.follow(model)
    # A plain average of decay .9999 would still be the first weights by 99%.
    torch.testing.assert_close(
        average.weights["weight"], model.weight.detach(), rtol=1e-4, atol=1e-4
    )


def test_averages_go_on_from_their_state() -> None:
    models = [nn.Linear(3, 2) for _ in range(2)]
    whole, broken = (MovingAverage(model, 0.9) for model in models)
    for step in range(6):
        moved(models[0], step)
        whole.follow(models[0])
        if step == 2:
            broken.load_state_dict(whole.state_dict())
            assert all(broken.weights[name] is not value for name, value in whole.weights.items())
        elif step > 2:
            moved(models[1], step)
            broken.follow(models[1])
    assert broken.updates == whole.updates == 6
    for name, value in whole.weights.items():
        assert torch.equal(broken.weights[name], value)


def test_statistics_are_not_averaged() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    assert MovingAverage(model, 0.9).weights.keys() == {"0.weight", "0.bias", "1.weight", "1.bias"}
