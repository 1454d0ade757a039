"""Image files that are only read: inputs of evaluations and of the examples."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from anon_ros.errors import ImageFormatError
from anon_ros.images import read_image, read_samples
from helpers.hidden_pictures import SKY


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_read_image_turns_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {} if suffix == ".bmp" else {"exif": exif}
    Image.fromarray(SKY).save(path, **options)
    view = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    image = read_image(path)
    assert image.shape == view.shape
    assert np.abs(image.astype(int) - view).max() <= 1
    samples = read_samples(path, cv2.IMREAD_UNCHANGED)
    assert samples is not None
    assert np.array_equal(samples[..., ::-1], image)


@pytest.mark.parametrize("data", [b"", b"text", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
def test_read_image_rejects_what_is_no_image(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(ImageFormatError, match=r"a\.png is no image that can be read"):
        read_image(path)
    path.write_bytes(data)
    with pytest.raises(ImageFormatError, match=r"a\.png is no image that can be read"):
        read_image(path)
