"""Image files that are only read: inputs of evaluations and of the examples."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from anon_ros.errors import ImageFormatError, InputError
from anon_ros.evaluation.inputs.frames import iter_all_frames
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


def declare_size(data: bytes, suffix: str, width_px: int, height_px: int) -> bytes:
    """Write another size into the header of a picture."""
    if suffix == ".jpg":
        at = data.index(b"\xff\xc0") + 5
        return data[:at] + struct.pack(">HH", height_px, width_px) + data[at + 4 :]
    at, order = (16, ">") if suffix == ".png" else (18, "<")
    return data[:at] + struct.pack(f"{order}ii", width_px, height_px) + data[at + 8 :]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_picture_bomb_never_decoded(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is that of a run, for the images of an evaluation, too."""
    data = cv2.imencode(suffix, SKY)[1].tobytes()
    path = tmp_path / f"a{suffix}"
    path.write_bytes(declare_size(data, suffix, 65500, 16000))
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(ImageFormatError, match=r"65500 x 16000 px is over the limit"):
        read_image(path)
    with pytest.raises(InputError, match=r"over the limit"):
        list(iter_all_frames(tmp_path, ()))
