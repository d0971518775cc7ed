"""Image files: upright, in RGB, whole or refused; and the part of them that a network sees."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from oneshot.data.decoding import decode, header, measure_size, read_file
from oneshot.data.errors import UnreadableImage
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.resampling import MARGIN, centre, resample, resized_size
from tests.published import published

Painter = Callable[[int, int, int], Image.Image]
Encode = Callable[..., bytes]


def file_of(image: Image.Image, kind: str, **options: object) -> bytes:
    """The picture as a file."""
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def test_plain_jpeg(paint: Painter, encode: Encode) -> None:
    content = encode(paint(120, 80, 0))
    known = header(content)
    assert (known.width, known.height, known.plain) == (120, 80, True)
    image, factor = decode(content)
    assert (image.size, image.mode, factor) == ((120, 80), "RGB", 1)
    assert header(file_of(paint(50, 40, 0).convert("L"), "JPEG")).plain
    assert header(file_of(paint(50, 40, 0), "JPEG", progressive=True)).plain
    assert not header(file_of(paint(50, 40, 0), "PNG")).plain
    assert not header(file_of(paint(50, 40, 0).convert("CMYK"), "JPEG")).plain


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(paint: Painter, encode: Encode, orientation: int) -> None:
    picture = paint(120, 80, 0)
    tag = Image.Exif()
    tag[0x0112] = orientation
    content = encode(picture, exif=tag)
    known, (image, _) = header(content), decode(content)
    assert (
        (known.width, known.height) == image.size == ((120, 80) if orientation < 5 else (80, 120))
    )
    turns = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: np.rot90,
    }
    expected = turns[orientation](np.asarray(decode(encode(picture))[0]))
    assert np.array_equal(np.asarray(image), expected)
    assert known.plain == (orientation == 1)


def test_every_mode_becomes_rgb(paint: Painter) -> None:
    picture = paint(40, 30, 1)
    transparent = picture.convert("RGBA")
    transparent.putalpha(0)
    # The alpha channel is dropped, the colours below it stay.
    assert np.array_equal(np.asarray(decode(file_of(transparent, "PNG"))[0]), np.asarray(picture))
    grey = np.asarray(decode(file_of(picture.convert("L"), "PNG"))[0])
    assert np.array_equal(grey, np.asarray(picture.convert("L"))[:, :, None].repeat(3, 2))
    inked = np.asarray(decode(file_of(picture.convert("CMYK"), "JPEG", quality=95))[0]).astype(int)
    assert np.abs(inked - np.asarray(picture)).mean() < 8
    deep = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    shallow = np.asarray(decode(file_of(Image.fromarray(deep), "PNG"))[0])
    assert np.array_equal(shallow[:, :, 0].reshape(-1), np.arange(256))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_files_are_refused(paint: Painter, encode: Encode, share: float) -> None:
    content = encode(paint(150, 100, 2))
    with pytest.raises(UnreadableImage, match="truncated"):
        header(content[: int(len(content) * share)])
    png = file_of(paint(150, 100, 2), "PNG")
    with pytest.raises(UnreadableImage):
        decode(png[: int(len(png) * share)])


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="no image file"):
        header(b"text")
    with pytest.raises(UnreadableImage, match="empty"):
        header(b"")
    with pytest.raises(UnreadableImage, match="No such file"):
        read_file(tmp_path / "absent.jpg")
    assert measure_size(tmp_path / "absent.jpg") == "No such file or directory"


def test_a_smaller_image_is_decoded_where_it_will_do(paint: Painter, encode: Encode) -> None:
    content = encode(paint(401, 300, 3))
    for shrink, factor in ((1.0, 1), (1.9, 1), (2.0, 2), (3.9, 2), (4.5, 4), (100.0, 8)):
        image, found = decode(content, shrink)
        assert found == factor
        assert image.size == (-(-401 // factor), -(-300 // factor))


@pytest.mark.parametrize(
    ("width", "height"), [(500, 375), (375, 500), (256, 256), (640, 173), (40, 30)]
)
@pytest.mark.parametrize("antialias", [True, False])
def test_centre_equals_resizing_the_short_side_to_256_and_cutting_224(
    paint: Painter, width: int, height: int, antialias: bool
) -> None:
    picture = paint(width, height, 4)
    box = centre(width, height, (224, 224), rounded=not antialias)
    found = resample(picture, box, (224, 224), antialias)
    short = min(width, height)
    offset = 0 if antialias else 0.5
    resized = int(256 * width / short + offset), int(256 * height / short + offset)
    left, top = round((resized[0] - 224) / 2), round((resized[1] - 224) / 2)
    if antialias:
        whole = np.asarray(picture.resize(resized, Image.Resampling.BILINEAR))
    else:
        pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float()
        bilinear = torch.nn.functional.interpolate(
            pixels, size=resized[::-1], mode="bilinear", antialias=False
        )
        whole = bilinear[0].permute(1, 2, 0).round().numpy()
    expected = whole[top : top + 224, left : left + 224].astype(int)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert np.abs(found.astype(int) - expected).mean() < 0.2


def test_spos_rounds_the_long_side_as_published() -> None:
    assert round(224 * MARGIN) == published("spos.resize.short_side")
    for (width, height), resized in published("spos.resize.sizes").items():
        assert resized_size(width, height, (224, 224), rounded=True) == resized
    spos = Preprocessing.from_kind("spos", (3, 224, 224))
    standard = Preprocessing.from_kind("standard", (3, 224, 224))
    assert (spos.rounds_sizes, standard.rounds_sizes) == (True, False)


def test_centre_of_an_input_that_is_not_square() -> None:
    left, top, right, bottom = centre(300, 300, (56, 112))
    assert (right - left) / (bottom - top) == pytest.approx(2)
    assert (left + right) / 2 == pytest.approx(150, abs=2)
    assert (top + bottom) / 2 == pytest.approx(150, abs=2)
