"""Names of heads, and errors about their options."""

import pytest

import spaces
from spaces.errors import InvalidParameter, PathfitError, UnknownName
from spaces.heads import register_head
from spaces.heads.registry import HEADS, canonical


def test_name_with_a_head_is_canonical() -> None:
    written = "ofa-mobilenetv3(input_size=320, head=ssdlite(kernels=[3, 5, 7], channels=[64, 32]))"
    space = spaces.get(written)

    assert space.name == ("ofa-mobilenetv3(head='ssdlite(channels=(64, 32))', resolutions=(320,))")
    assert spaces.get(space.name) is space
    assert canonical("ssdlite(ratios=(2.0, 3.0))") == "ssdlite"


@pytest.mark.parametrize(
    ("name", "num_classes", "canonical_name"),
    [
        ("spos-tiny(head=ssdlite)", 20, "spos-tiny(head='ssdlite')"),
        ("spos-tiny(head=ssdlite, num_classes=20)", 20, "spos-tiny(head='ssdlite')"),
        ("spos-tiny(head=mask)", 21, "spos-tiny(head='mask')"),
        # The preset of the classifier is no preset of a detector.
        ("spos-tiny(head=fpn, num_classes=10)", 10, "spos-tiny(head='fpn', num_classes=10)"),
        ("spos-tiny(head=classifier)", 10, "spos-tiny"),
    ],
)
def test_head_brings_its_number_of_classes(
    name: str, num_classes: int, canonical_name: str
) -> None:
    space = spaces.get(name)

    assert (space.num_classes, space.name) == (num_classes, canonical_name)
    assert spaces.get(space.name).num_classes == num_classes


@pytest.mark.parametrize(
    ("head", "error", "fault"),
    [
        ("ssdlit", UnknownName, "ssdlite"),
        ("ssdlite(chanels=(8,))", InvalidParameter, "did you mean 'channels'"),
        ("ssdlite(channels=8)", InvalidParameter, "channels must be like"),
        ("ssdlite(kernels=(4,))", InvalidParameter, "kernels must be odd"),
        ("ssdlite(widths=())", InvalidParameter, "widths needs different numbers"),
        ("ssdlite(widths=(0.5, 0.5))", InvalidParameter, "widths needs different numbers"),
        ("ssdlite(ratios=(0.5,))", InvalidParameter, "ratios must be above 1"),
        ("ssdlite(taps=(5,))", InvalidParameter, "taps has the stride 5; the backbone has 2, 4, 8"),
        ("fpn(taps=(8, 8))", InvalidParameter, "taps has a stride twice"),
        ("fpn(width=0)", InvalidParameter, "width must be positive"),
        ("fpn(extra=-1)", InvalidParameter, "extra must be 0 or more"),
        ("bifpn(repeats=0)", InvalidParameter, "repeats must be positive"),
        ("mask(taps=(4, 8, 16))", InvalidParameter, "taps needs two strides"),
    ],
)
def test_bad_option_is_named_with_what_would_do(
    head: str, error: type[PathfitError], fault: str
) -> None:
    with pytest.raises(error, match=fault):
        spaces.get("spos-tiny", head=head)


def test_backbone_with_too_few_strides_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="at least 3 strides; this one has 2, 4"):
        spaces.get("spos-tiny(repeats=(1,), channels=(48,), head=fpn)")


def test_several_resolutions_are_refused_with_a_detector() -> None:
    with pytest.raises(InvalidParameter, match="needs one resolution, such as input_size=320"):
        spaces.get("ofa-mobilenetv3(resolutions=(160, 320), head=ssdlite)")


def test_input_size_and_resolutions_exclude_each_other() -> None:
    with pytest.raises(InvalidParameter, match="give input_size or resolutions, not both"):
        spaces.get("ofa-mobilenetv3(input_size=160, resolutions=(160,))")


def test_registered_head_is_part_of_every_backbone() -> None:
    from spaces.heads.fpn import FPN

    with HEADS.preserved():

        @register_head("single")
        class Single(FPN):
            name = "single"

            def __init__(self, *, width: int = 8):
                super().__init__(width=width, kernels=(3,), extra=0)

        space = spaces.get("fbnet(input_size=64, head=single)")

        assert space.head == "boxes"
        assert [choice.key for choice in space.choices[-2:]] == ["head_4", "head_5"]
