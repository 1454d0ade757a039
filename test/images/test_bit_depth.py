"""16-bit images: a scene is seen wherever its counts lie, and drawn back into its own range."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from anon_ros.core import RgbImage
from anon_ros.errors import ImageFormatError
from anon_ros.images import (
    CompressedImageData,
    RawImage,
    SharedTone,
    ToneRule,
    decode_compressed,
    decode_raw,
    encode_compressed,
    encode_raw,
    equalize_tone,
    measure_tone,
)

Counts = npt.NDArray[np.uint16]


def stretch(gray: npt.NDArray[np.uint8], low: int, span: int) -> Counts:
    return np.asarray((low + gray / 255 * span).round(), np.uint16)


def make_linear_light(gray: npt.NDArray[np.uint8]) -> Counts:
    counts = ((gray / 255.0) ** 2.2 * 1500).round().astype(np.uint16)
    counts[:40, :200] = 60000  # the sun
    return counts


def put_rows(counts: Counts, rows: slice, value: int) -> Counts:
    counts[rows] = value
    return counts


VERSIONS: dict[str, Callable[[npt.NDArray[np.uint8]], Counts]] = {
    "all 16 bits": lambda gray: gray * np.uint16(257),
    "12 bits": lambda gray: stretch(gray, 0, 4095),
    # microsoft/arcticseals#4, and a Boson without gain control
    "thermal": lambda gray: stretch(gray, 51241, 940),
    "thermal, low": lambda gray: stretch(gray, 20000, 800),
    "linear light": make_linear_light,
    "saturated rows": lambda gray: put_rows(stretch(gray, 0, 1023), slice(100, 104), 65535),
    "black border": lambda gray: put_rows(stretch(gray, 51241, 940), slice(0, 60), 0),
    "low contrast": lambda gray: stretch(gray, 30000, 60),
    "dark": lambda gray: ((gray / 255.0) ** 2.2 * 120).round().astype(np.uint16),
}


def wrap(counts: Counts, encoding: str = "mono16") -> RawImage:
    height_px, width_px = counts.shape
    data = counts.astype("<u2").tobytes()
    return RawImage(height_px, width_px, encoding, False, 2 * width_px, data)


@pytest.fixture(scope="session")
def gray(vtest_rgb: dict[str, RgbImage]) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(vtest_rgb["vtest0120"], cv2.COLOR_RGB2GRAY), np.uint8)


@pytest.mark.parametrize("rule", ["first look", "second look"])
@pytest.mark.parametrize("version", VERSIONS)
def test_scene_fills_gray_levels(gray: npt.NDArray[np.uint8], version: str, rule: str) -> None:
    """Mapped linearly from 0..65535, a thermal scene has 4 levels."""
    raw = wrap(VERSIONS[version](gray))
    if rule == "second look":
        raw = replace(raw, tone_rule=equalize_tone)
    seen = decode_raw(raw)[110:, :, 0]
    assert np.ptp(np.percentile(seen, (2, 98))) > 100
    assert np.corrcoef(seen.reshape(-1), gray[110:].reshape(-1))[0, 1] > 0.8
    png = cv2.imencode(".png", VERSIONS[version](gray))[1].tobytes()
    compressed = CompressedImageData("png", png, raw.tone_rule)
    assert np.array_equal(decode_compressed(compressed), decode_raw(raw))


@pytest.mark.parametrize("version", VERSIONS)
def test_drawing_stays_in_range(gray: npt.NDArray[np.uint8], version: str) -> None:
    counts = VERSIONS[version](gray)
    mask = np.zeros(gray.shape, np.bool_)
    mask[200:400, 300:350] = True
    drawn = np.random.default_rng(0).integers(0, 256, (*gray.shape, 3), np.uint8)
    tone = SharedTone()
    raw = replace(wrap(counts), tone_rule=tone)
    data = encode_raw(raw, drawn, mask)
    written = np.frombuffer(data, "<u2").reshape(gray.shape)
    assert np.array_equal(written[~mask], counts[~mask])
    assert counts.min() <= written[mask].min() <= written[mask].max() <= counts.max()
    expected = cv2.cvtColor(drawn, cv2.COLOR_RGB2GRAY)[mask].astype(int)
    error = np.abs(decode_raw(replace(raw, data=data))[..., 0][mask] - expected)
    assert np.median(error) <= (8 if version in {"low contrast", "dark"} else 1)
    png = cv2.imencode(".png", counts)[1].tobytes()
    data = encode_compressed(CompressedImageData("png", png, tone), drawn, mask, 95)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(decoded, written)


@pytest.mark.parametrize("encoding", ["mono16", "bayer_rggb16"])
def test_too_few_gray_levels_refused(gray: npt.NDArray[np.uint8], encoding: str) -> None:
    few, enough = (wrap(stretch(gray, 30000, span), encoding) for span in (5, 30))
    with pytest.raises(ImageFormatError, match=r"[0-7] gray levels.*fewer than 8"):
        decode_raw(few)
    decode_raw(enough)


def test_constant_image_accepted() -> None:
    """A covered lens shows nobody."""
    for value in (0, 1, 2000, 65535):
        decode_raw(wrap(np.full((48, 64), value, np.uint16)))


def test_mapping_never_depends_on_pixels_chosen() -> None:
    """A stride through the samples could meet one color of the mosaic alone."""
    counts = np.zeros((600, 400), np.uint16)
    counts[1::2, 1::2] = np.arange(300)[:, None] * 10 + np.arange(200) % 7 + 500
    assert decode_raw(wrap(counts, "bayer_rggb16"))[..., 2].std() > 30


@pytest.mark.parametrize("rule", [measure_tone, equalize_tone])
@pytest.mark.parametrize(
    ("low", "span"), [(20000, 8000), (2000, 50000), (0, 150)], ids=["window", "lamp", "corner"]
)
def test_small_place_shows_detail(
    gray: npt.NDArray[np.uint8], low: int, span: int, rule: ToneRule
) -> None:
    """Half a percent of the image, far brighter or darker than the rest, is not all one level."""
    counts = stretch(gray, 600, 1000)
    place = (slice(200, 256), slice(300, 340))
    counts[place] = stretch(gray[place], low, span)
    for saturated in (0, 65535):  # a dead pixel and the sun
        counts[0, 0] = saturated
        seen = decode_raw(replace(wrap(counts), tone_rule=rule))[..., 0]
        assert np.corrcoef(seen[place].reshape(-1), gray[place].reshape(-1))[0, 1] > 0.8
        assert np.ptp(np.percentile(seen[place], (2, 98))) > 40
        assert np.ptp(np.percentile(seen[300:], (2, 98))) > 80


def test_noise_takes_no_levels() -> None:
    """Single hot pixels are no place."""
    rng = np.random.default_rng(0)
    counts = rng.normal(2000, 100, (480, 640)).round().astype(np.uint16)
    counts[rng.random(counts.shape) < 0.005] = 30000

    def measure_contrast() -> float:
        return float(np.ptp(np.percentile(decode_raw(wrap(counts)), (2, 98))))

    without = measure_contrast()
    counts[200:240, 300:340] = 20000 + np.arange(40)
    assert measure_contrast() < 0.85 * without
