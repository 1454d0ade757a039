"""Fixed regions from parameters and mask images."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from anon_ros.config import Config, load_config, merge_cameras
from anon_ros.errors import ConfigError
from anon_ros.images import load_regions


def configure(**regions: list[str]) -> Config:
    return load_config(overrides={"regions": regions})


def write_mask(path: Path, gray: np.ndarray) -> str:
    assert cv2.imwrite(str(path), gray)
    return str(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_gray_counts_as_what_covers_more(tmp_path: Path, dtype: type, channels: int) -> None:
    """Black, gray and white columns: gray is covered, and not left out of the search."""
    white = np.iinfo(dtype).max
    gray = np.repeat(np.array([[0, white // 2, white]], dtype), 4, axis=0)
    samples = gray if channels == 1 else np.repeat(gray[..., None], channels, axis=2)
    if channels == 4:
        samples[..., 3] = white  # opaque
    path = write_mask(tmp_path / "mask.PNG", samples)
    regions = load_regions(configure(always=[path], never=[path]))("/camera")
    (always,) = regions.always
    (never,) = regions.never
    assert always.draw(4, 3).all(axis=0).tolist() == [False, True, True]
    assert never.draw(4, 3).all(axis=0).tolist() == [False, False, True]


def test_unusable_mask_image_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    write_mask(tmp_path / "black.png", np.zeros((4, 3), np.uint8))
    for name, problem in (
        ("absent.png", "is no PNG that can be read"),
        ("text.png", "is no PNG that can be read"),
        ("black.png", "marks no pixel"),
    ):
        for group in ("always", "never"):
            with pytest.raises(ConfigError) as caught:
                load_regions(configure(**{group: [str(tmp_path / name)]}))
            assert str(caught.value).startswith(f"regions.{group}: {tmp_path / name} {problem}")
            assert "white in the region" in str(caught.value)


def test_ignored_regions_warn(caplog: pytest.LogCaptureFixture) -> None:
    load_regions(configure(always=["0,0 1,0 1,1"]))
    assert not caplog.messages
    load_regions(configure(never=["0,0 1,0 1,1"]))
    assert "regions.never" in caplog.text
    assert "published as they are" in caplog.text


def test_camera_has_its_own_regions() -> None:
    """Also where sections are merged, as for recordings: a region is a place of a camera."""
    whole, half = "0,0 1,0 1,1 0,1", "0,0 0.5,0 0.5,1 0,1"
    values = {"regions.always": [half], "cameras.front.regions.always": [whole]}
    config = load_config(overrides=values | {"cameras.rear.detect.confidence": 0.05})
    for used in (config, merge_cameras(config)):
        find = load_regions(used)
        widths = {
            topic: find(topic).cover(10, 10)[0].bounds.width_px
            for topic in ("/front/image", "/rear/image", "")
        }
        assert widths == {"/front/image": 10, "/rear/image": 6, "": 6}
    with pytest.raises(ConfigError, match=r"cameras.front.regions.never: .* outside the image"):
        load_config(overrides={"cameras.front.regions.never": ["0,0 2,0 1,1"]})


def test_ignored_region_of_a_camera_warns(caplog: pytest.LogCaptureFixture) -> None:
    load_regions(load_config(overrides={"cameras.arm.regions.never": ["0,0 1,0 1,1"]}))
    assert "regions.never" in caplog.text
