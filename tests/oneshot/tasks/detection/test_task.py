"""The task of detection: losses, found objects, metrics and distillation."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import spaces
from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.ofa import Ofa
from oneshot.algorithms.ofa_progressive import OfaProgressive
from oneshot.algorithms.registry import make, preset
from oneshot.data import load
from oneshot.data.padded import Padded
from oneshot.data.scenes.scene import DIFFICULT
from oneshot.errors import InvalidOption
from oneshot.tasks.detection.boxes import encode
from oneshot.tasks.detection.distillation import adaptive_loss
from oneshot.tasks.detection.locations import Locations
from oneshot.tasks.detection.losses import centerness, focal_loss, hardest_cross_entropy
from oneshot.tasks.detection.task import Detection
from oneshot.tasks.registry import make_task
from oneshot.training.recipe import Recipe

CPU = torch.device("cpu")
SPACE = "spos-tiny(head=ssdlite, input_size=64)"
CLASSES = 3

TARGETS = Padded.from_rows(
    [
        torch.tensor([[4.0, 4, 24, 24, 0, 0], [30, 20, 60, 50, 2, 0]]),
        torch.tensor([[10.0, 12, 40, 40, 1, 0]]),
        torch.empty(0, 6),
    ]
)


@pytest.fixture
def anchored() -> Detection:
    """The task for the tiny detector with anchors."""
    task = make_task("detection", spaces.get(SPACE))
    assert isinstance(task, Detection)
    return task


@pytest.fixture
def free() -> Detection:
    """The task for a head without anchors, of two levels."""
    steps = [(torch.arange(64 // stride) + 0.5) * stride for stride in (8, 16)]
    centres = [torch.cartesian_prod(step, step).flip(1) for step in steps]
    strides = torch.tensor([8.0] * 64 + [16.0] * 16)
    task = Detection()
    task._locations = Locations(
        (64, 64), False, torch.cat(centres), strides, (strides > 8).long(), None
    )
    return task


def locations_of(task: Detection) -> Locations:
    assert task._locations is not None
    return task._locations


def random_outputs(task: Detection, seed: int = 0, count: int = 3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    locations = locations_of(task)

    def draw(channels: int) -> Tensor:
        return torch.randn(count, len(locations), channels, generator=generator)

    outputs = {"scores": draw(CLASSES + locations.background), "offsets": draw(4)}
    if locations.anchors is None:
        outputs |= {"offsets": outputs["offsets"].exp(), "centerness": draw(1)}
    return outputs


def perfect_outputs(task: Detection, targets: Padded) -> dict[str, Tensor]:
    """Outputs that predict every object at its locations and nothing elsewhere."""
    locations = locations_of(task)
    first = int(locations.background)
    scores = torch.full((len(targets), len(locations), CLASSES + first), -20.0)
    if first:
        scores[:, :, 0] = 0
    offsets = torch.ones(len(targets), len(locations), 4)
    for index, rows in enumerate(targets.rows()):
        assignment = locations.assign(rows)
        positive = assignment.positive
        objects = rows[rows[:, 5] == 0][assignment.objects[positive]]
        scores[index, positive, objects[:, 4].long() + first] = 20
        if locations.anchors is not None:
            offsets[index, positive] = encode(objects[:, :4], locations.anchors[positive])
        else:
            centres = locations.centres[positive]
            sides = torch.cat([centres - objects[:, :2], objects[:, 2:4] - centres], 1)
            offsets[index, positive] = sides / locations.strides[positive, None]
    outputs = {"scores": scores, "offsets": offsets}
    if locations.anchors is None:
        outputs["centerness"] = torch.zeros(len(targets), len(locations), 1)
    return outputs


@pytest.mark.parametrize("head", ["anchored", "free"])
def test_perfect_outputs_find_every_object(head: str, request: pytest.FixtureRequest) -> None:
    task: Detection = request.getfixturevalue(head)
    outputs = perfect_outputs(task, TARGETS)
    tally = task.tally(CPU)
    tally.add(outputs, TARGETS)

    assert tally.metrics() == pytest.approx({"map50": 100, "map50_11point": 100, "map": 100})
    assert tally.details(("a", "b", "c")) == {"ap50": {"a": 100, "b": 100, "c": 100}}
    found = task.detections(outputs)
    assert [len(item.boxes) for item in found] == [2, 1, 0]
    torch.testing.assert_close(found[1].boxes[0], TARGETS.rows()[1][0, :4], atol=1e-3, rtol=0)
    assert task.loss(outputs, TARGETS) < task.loss(random_outputs(task), TARGETS) / 2


@pytest.mark.parametrize("head", ["anchored", "free"])
def test_loss_of_a_batch_is_the_mean_of_its_images(
    head: str, request: pytest.FixtureRequest
) -> None:
    task: Detection = request.getfixturevalue(head)
    outputs = random_outputs(task)

    alone = [
        task.loss({name: value[i : i + 1] for name, value in outputs.items()}, TARGETS[i : i + 1])
        for i in range(3)
    ]

    torch.testing.assert_close(task.loss(outputs, TARGETS), torch.stack(alone).mean())


@pytest.mark.parametrize("options", ["", "(class_loss=focal)", "(box_loss=giou)"])
def test_descent_lowers_each_loss(options: str) -> None:
    task = make_task(f"detection{options}", spaces.get(SPACE))
    assert isinstance(task, Detection)
    outputs = {name: value.requires_grad_() for name, value in random_outputs(task).items()}
    before = task.loss(outputs, TARGETS)
    gradients = torch.autograd.grad(before, list(outputs.values()))

    moved = {
        name: value - 0.05 * gradient
        for (name, value), gradient in zip(outputs.items(), gradients, strict=True)
    }

    assert all(gradient.any() for gradient in gradients)
    assert task.loss(moved, TARGETS) < before


def test_difficult_objects_are_neither_learned_nor_counted(anchored: Detection) -> None:
    difficult = Padded.from_rows([torch.tensor([[4.0, 4, 24, 24, 0, DIFFICULT]])])
    outputs = perfect_outputs(anchored, TARGETS[:1])
    empty = Padded.from_rows([torch.empty(0, 6)])

    # The detections on the object are wrong in an empty image, and do not count in this one.
    tally = anchored.tally(CPU)
    tally.add(outputs, difficult)
    assert tally.metrics()["map50"] == 0
    assert tally.details(()) == {"ap50": {"0": None}}
    assert anchored.loss(outputs, difficult) < anchored.loss(outputs, empty)


def test_hardest_negatives_are_three_for_each_positive() -> None:
    scores = torch.zeros(10, 2)
    scores[:, 1] = torch.arange(10.0)
    classes = torch.zeros(10, dtype=torch.int64)
    classes[0] = 1
    positive = classes > 0

    loss = hardest_cross_entropy(scores, classes, positive, ~positive)

    losses = functional.cross_entropy(scores, classes, reduction="none")
    torch.testing.assert_close(loss, losses[[0, 7, 8, 9]].sum())
    none = torch.zeros(10, dtype=torch.bool)
    background = hardest_cross_entropy(scores, torch.zeros(10).long(), none, ~none)
    torch.testing.assert_close(background, losses[[7, 8, 9]].sum())


def test_focal_loss_is_its_formula() -> None:
    logits = torch.linspace(-3, 3, 7)[:, None]
    p = logits.sigmoid()
    ones = torch.ones_like(logits)
    torch.testing.assert_close(focal_loss(logits, ones), -0.25 * (1 - p) ** 2 * p.log())
    torch.testing.assert_close(focal_loss(logits, 0 * ones), -0.75 * p**2 * (1 - p).log())


def test_centerness_is_one_in_the_middle(free: Detection) -> None:
    locations = locations_of(free)
    first = torch.zeros(len(locations), dtype=torch.bool)
    first[0] = True
    middle = torch.tensor([[0.0, 0, 8, 8]])
    aside = torch.tensor([[3.0, 0, 8, 8]])
    assert centerness(locations, first, middle).item() == 1
    assert centerness(locations, first, aside).item() == pytest.approx(math.sqrt(1 / 4))


def test_outputs_that_are_not_finite_have_no_metrics(anchored: Detection) -> None:
    outputs = random_outputs(anchored)
    outputs["scores"][0, 0, 0] = torch.nan
    tally = anchored.tally(CPU)
    tally.add(outputs, TARGETS)
    assert math.isnan(tally.metrics()["map50"])
    assert tally.intervals() == {}


def test_exported_outputs_have_the_same_metrics(anchored: Detection) -> None:
    outputs = random_outputs(anchored)
    found = anchored.detections(outputs)
    exported = {
        "boxes": torch.zeros(3, 200, 4),
        "scores": torch.zeros(3, 200),
        "labels": torch.full((3, 200), -1),
    }
    for index, item in enumerate(found):
        for name, value in item._asdict().items():
            exported[name][index, : len(value)] = value

    plain, same = anchored.tally(CPU), Detection().tally(CPU)
    plain.add(outputs, TARGETS)
    same.add(exported, TARGETS)

    assert plain.metrics() == same.metrics()


def test_intervals_cover_the_metric(anchored: Detection) -> None:
    tally = anchored.tally(CPU)
    for index in range(6):
        outputs = perfect_outputs(anchored, TARGETS)
        # Half of the images have no detections.
        if index % 2:
            outputs["scores"][:, :, 0] = 50
        tally.add(outputs, TARGETS)
    low, high = tally.intervals()["map50"]
    assert low < tally.metrics()["map50"] < high


@pytest.mark.parametrize("sigmoid", [False, True])
def test_adaptive_loss_is_zero_for_the_teacher_alone(sigmoid: bool) -> None:
    teacher = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    assert adaptive_loss(teacher, teacher, sigmoid).abs() < 1e-6
    assert adaptive_loss(teacher + torch.eye(5, 4), teacher, sigmoid) > 0


def test_teacher_has_a_say_on_positive_locations_alone(anchored: Detection) -> None:
    outputs, teacher = random_outputs(anchored, 1), random_outputs(anchored, 2)
    soft = anchored.soft_targets(teacher, TARGETS)
    loss = anchored.distillation_loss(outputs, soft)

    other = {name: value.clone() for name, value in teacher.items()}
    other["scores"][~soft.positive] += 5
    moved = anchored.soft_targets(other, TARGETS)

    assert loss > 0
    torch.testing.assert_close(loss, anchored.distillation_loss(outputs, moved))
    own = anchored.soft_targets(outputs, TARGETS)
    assert anchored.distillation_loss(outputs, own).abs() < 1e-6


@pytest.mark.parametrize("name", ["ofa", "ofa-progressive"])
def test_distilling_counts_the_objects_once(name: str) -> None:
    space = spaces.get("ofa-mobilenetv3(input_size=32, width=0.25, head=ssdlite(channels=(16,)))")
    task = make_task("detection", space)
    assert isinstance(task, Detection)
    data = load("shapes", space.input_shape, limit=16)
    supernet = space.supernet(CLASSES, torch.Generator().manual_seed(0))
    recipe = Recipe(steps=1, batch_size=4, label_smoothing=0.1)
    setting = Setting(supernet, recipe, data.validation, 16, seed=0, space=space, task=task)
    algorithm = make(name, setting, preset(name, {"preset": "tiny"}).options)
    assert isinstance(algorithm, Ofa | OfaProgressive)
    outputs, teacher = random_outputs(task, 1), random_outputs(task, 2)
    soft = task.soft_targets(teacher, TARGETS)

    loss = algorithm._loss(outputs, TARGETS, soft)

    objects = task.loss(outputs, TARGETS, smoothing=0.1)
    torch.testing.assert_close(loss, objects + task.distillation_loss(outputs, soft))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"class_loss": "softmax"}, "class_loss"),
        ({"box_loss": "l2"}, "box_loss"),
        ({"confidence": 1.0}, "confidence"),
        ({"overlap": -0.1}, "overlap"),
        ({"limit": 0}, "limit"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidOption, match=name):
        Detection(**options)


def test_other_heads_targets_and_sizes_are_refused(anchored: Detection) -> None:
    with pytest.raises(InvalidOption, match=r"'boxes'.*'classes'"):
        make_task("detection", spaces.get("spos-tiny"))
    with pytest.raises(InvalidOption, match="boxes in each image"):
        anchored.check(load("shape-masks", (3, 64, 64), limit=4))
    with pytest.raises(InvalidOption, match="another size"):
        anchored.loss({"offsets": torch.zeros(1, 7, 4)}, TARGETS)
    with pytest.raises(InvalidOption, match="--space"):
        Detection().loss({"offsets": torch.zeros(1, 7, 4)}, TARGETS)
