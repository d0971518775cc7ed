"""The task of detection."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from oneshot.data.padded import Padded
from oneshot.errors import InvalidOption
from oneshot.tasks.detection.distillation import WEIGHT, Teaching, adaptive_loss
from oneshot.tasks.detection.locations import Locations
from oneshot.tasks.detection.losses import (
    box_losses,
    centerness,
    focal_loss,
    hardest_cross_entropy,
)
from oneshot.tasks.detection.suppression import Detections, candidates, detect
from oneshot.tasks.detection.tally import DetectionTally
from oneshot.tasks.registry import register_task
from oneshot.tasks.tally import Tally
from oneshot.tasks.task import Task
from tables.metrics import Metric

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from spaces.architecture import Architecture
    from spaces.space import SearchSpace

CLASS_LOSSES = ("auto", "hardest", "focal")
BOX_LOSSES = ("auto", "smooth-l1", "giou")

PICTURED = 0.3
"""Least probability of an object in a picture, where those of `confidence` would hide the image."""

CANDIDATES = 500
"""Most probable boxes of an image among which the suppression chooses."""


@register_task("detection")
class Detection(Task):
    """Boxes of objects and their classes: mean average precision.

    Outputs are a dictionary of `scores` [b, locations, channels], `offsets` [b, locations, 4] and,
    of heads without anchors, `centerness` [b, locations, 1]; or of exported networks `boxes`,
    `scores` and `labels` of found objects. Targets are `Padded` rows [b, longest, 6] of left, top,
    right and bottom in pixels of the input, class and flag.

    Losses are means over images of sums over locations, divided by the image's number of positive
    locations. So the mean over two processes is that of one with both batches.

    Args:
        class_loss: `hardest`, the cross-entropy with three of the hardest negatives for each
            positive location; `focal`; or `auto`, `hardest` for heads with a background and `focal`
            for others, which have no alternative.
        box_loss: `smooth-l1`; `giou`; or `auto`, `smooth-l1` with anchors and `giou` without, where
            there is no alternative.
        confidence: Least probability of a found object.
        overlap: Greatest IoU of two found objects of one class.
        limit: Greatest number of found objects of an image.

    Raises:
        InvalidOption: An option is out of its range.
    """

    head = "boxes"
    metrics: ClassVar[Mapping[str, Metric]] = {
        "map50": Metric("percent", higher_is_better=True, title="mAP@.5"),
        "map50_11point": Metric("percent", higher_is_better=True, title="mAP@.5 of 11 points"),
        "map": Metric("percent", higher_is_better=True, title="mAP@.5:.95"),
    }
    distils = True
    has_pictures = True
    # A teacher has no say about locations without an object.
    distils_everything = False

    def __init__(
        self,
        *,
        class_loss: str = "auto",
        box_loss: str = "auto",
        confidence: float = 0.01,
        overlap: float = 0.5,
        limit: int = 200,
    ):
        for name, value, names in (
            ("class_loss", class_loss, CLASS_LOSSES),
            ("box_loss", box_loss, BOX_LOSSES),
        ):
            if value not in names:
                raise InvalidOption(f"{name} must be one of {', '.join(names)}, not {value!r}")
        for name, number in (("confidence", confidence), ("overlap", overlap)):
            if not 0 <= number < 1:
                raise InvalidOption(f"{name} must lie in [0, 1), not {number}")
        if limit < 1:
            raise InvalidOption(f"limit must be at least 1, not {limit}")

        self.class_loss = class_loss
        self.box_loss = box_loss
        self.confidence = confidence
        self.overlap = overlap
        self.limit = limit
        self._locations: Locations | None = None

    def bound(self, space: SearchSpace, architecture: Architecture | None = None) -> Detection:
        """Return the task for a space's networks, with the locations of their predictions.

        Raises:
            InvalidOption: The head has no alternative to a loss that is requested.
        """
        geometry = space.head_geometry(architecture)
        if geometry is None:
            raise InvalidOption(f"networks of {space.name} predict no boxes")
        if not geometry.has_anchors:
            for name in ("class_loss", "box_loss"):
                value = getattr(self, name)
                if value in ("hardest", "smooth-l1"):
                    raise InvalidOption(
                        f"{name} must be auto for a head without anchors, not {value!r}"
                    )

        task = copy.copy(self)
        task._locations = Locations.from_geometry(geometry)
        return task

    @property
    def image(self) -> tuple[int, int]:
        """Height and width of the networks' input in pixels; the task must be bound."""
        assert self._locations is not None
        return self._locations.image

    # Losses

    def loss(self, outputs: Any, targets: Padded, smoothing: float = 0.0) -> Tensor:
        """Return the loss of classes, boxes and, of heads without anchors, centerness."""
        locations = self.locations(outputs)
        losses = [
            self._image_loss(locations, _image(outputs, index), rows, smoothing)
            for index, rows in enumerate(targets.rows())
        ]
        return torch.stack(losses).mean()

    def _image_loss(
        self, locations: Locations, outputs: Mapping[str, Tensor], rows: Tensor, smoothing: float
    ) -> Tensor:
        counted = rows[rows[:, 5] == 0]
        assignment = locations.assign(rows)
        positive = assignment.positive
        objects = counted[assignment.objects[positive]]
        loss = self._class_loss(locations, outputs["scores"], assignment, objects, smoothing)

        if len(objects):
            kind = self._box_loss(locations)
            boxes = objects[:, :4]
            losses = box_losses(kind, locations, outputs["offsets"], positive, boxes)
            if "centerness" not in outputs:
                loss = loss + losses.sum()
            else:
                # Central locations count more, and their sum is in place of their number (FCOS).
                central = centerness(locations, positive, boxes)
                scale = len(objects) / central.sum().clamp(min=1e-6)
                loss = loss + scale * (central * losses).sum()
                loss = loss + functional.binary_cross_entropy_with_logits(
                    outputs["centerness"][positive, 0], central, reduction="sum"
                )

        return loss / max(1, len(objects))

    def _class_loss(
        self,
        locations: Locations,
        scores: Tensor,
        assignment: Any,
        objects: Tensor,
        smoothing: float,
    ) -> Tensor:
        positive = assignment.positive
        first = 1 if locations.background else 0
        labels = objects[:, 4].long()
        if not self.is_focal(locations):
            classes = torch.zeros(len(locations), dtype=torch.int64, device=scores.device)
            classes[positive] = labels + 1
            return hardest_cross_entropy(scores, classes, positive, assignment.negative, smoothing)

        logits = scores[:, first:]
        one_hot = torch.zeros_like(logits)
        one_hot[positive] = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
        return focal_loss(logits, one_hot)[positive | assignment.negative].sum()

    def is_focal(self, locations: Locations) -> bool:
        """Return whether classes are independent, as the focal loss trains them."""
        return self.class_loss == "focal" or not locations.background

    def _box_loss(self, locations: Locations) -> str:
        if self.box_loss != "auto":
            return self.box_loss
        return "giou" if locations.anchors is None else "smooth-l1"

    # Metrics

    def tally(self, device: torch.device) -> Tally:
        """Return an empty tally of the metrics."""
        return DetectionTally(self.detections)

    def monitor(self, device: torch.device) -> None:
        """Return None: reports of a training show the loss alone."""
        return

    def detections(self, outputs: Mapping[str, Tensor]) -> list[Detections]:
        """Return the objects that are found in each image of a batch."""
        if "labels" in outputs:
            return _of_exported(outputs)
        return [
            detect(*image, confidence=self.confidence, overlap=self.overlap, limit=self.limit)
            for image in zip(*self.candidates(outputs), strict=True)
        ]

    def found_targets(self, outputs: Mapping[str, Tensor], targets: Padded) -> Padded:
        """Return the objects that are found with a probability of at least .3."""
        rows = []
        for objects in self.detections(outputs):
            certain = objects.scores >= PICTURED
            labels = objects.labels[certain, None].to(objects.boxes.dtype)
            flags = torch.zeros_like(labels)
            rows.append(torch.cat([objects.boxes[certain], labels, flags], 1).cpu())
        return Padded.from_rows(rows)

    def candidates(self, outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the most probable boxes, probabilities and classes; see `suppression.candidates`.

        Args:
            outputs: Outputs of the network.
        """
        locations = self.locations(outputs)
        boxes = locations.inside(locations.boxes(outputs["offsets"]))
        return candidates(boxes, self.probabilities(outputs), CANDIDATES)

    def probabilities(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return the probability of each class [b, locations, classes]."""
        locations = self.locations(outputs)
        scores = outputs["scores"]
        first = 1 if locations.background else 0
        if not self.is_focal(locations):
            return scores.softmax(2)[:, :, first:]
        probabilities = scores[:, :, first:].sigmoid()
        if "centerness" not in outputs:
            return probabilities
        # The geometric mean of both, as in FCOS's release.
        return (probabilities * outputs["centerness"].sigmoid()).sqrt()

    def locations(self, outputs: Mapping[str, Tensor]) -> Locations:
        """Return the locations of the predictions, on the device of the outputs.

        Raises:
            InvalidOption: The task is bound to no space, or the number of predictions is not that
                of the space's head.
        """
        if self._locations is None:
            raise InvalidOption("detection needs the space of its networks: give --space")
        self._locations.check(outputs)
        return self._locations.to(outputs["offsets"].device)

    def exported(self, model: nn.Module) -> nn.Module:
        """Return a network that decodes its boxes and returns the found objects."""
        from oneshot.tasks.detection.exported import ExportedDetector

        return ExportedDetector(model, self)

    def check(self, data: ImageData) -> None:
        """Check that the targets are boxes.

        Raises:
            InvalidOption: They are not.
        """
        targets = data.train.tensors([0])[1]
        values = getattr(targets, "values", None)
        if not (isinstance(values, Tensor) and values.ndim == 3 and values.shape[2] == 6):
            raise InvalidOption(
                f"task: detection needs boxes in each image, which {data.title} does not have"
            )

    # Distillation

    def soft_targets(self, outputs: Any, targets: Any) -> Teaching:
        """Return a teacher's scores, and the locations with an object."""
        locations = self.locations(outputs)
        positive = torch.stack([locations.assign(rows).positive for rows in targets.rows()])
        return Teaching(outputs["scores"].detach(), positive)

    def distillation_loss(self, outputs: Any, soft: Teaching) -> Tensor:
        """Return a tenth of the adaptive loss to the teacher, at locations with an object."""
        sigmoid = self.is_focal(self.locations(outputs))
        losses = [
            adaptive_loss(scores[positive], teacher[positive], sigmoid)
            / positive.sum().clamp(min=1)
            for scores, teacher, positive in zip(
                outputs["scores"], soft.scores, soft.positive, strict=True
            )
        ]
        return WEIGHT * torch.stack(losses).mean()


def _image(outputs: Mapping[str, Tensor], index: int) -> dict[str, Tensor]:
    return {name: value[index] for name, value in outputs.items()}


def _of_exported(outputs: Mapping[str, Tensor]) -> list[Detections]:
    """Return the objects of an exported network, which pads them with the label -1."""
    found = []
    for boxes, scores, labels in zip(
        outputs["boxes"], outputs["scores"], outputs["labels"], strict=True
    ):
        real = labels >= 0
        found.append(Detections(boxes[real], scores[real], labels[real].long()))
    return found
