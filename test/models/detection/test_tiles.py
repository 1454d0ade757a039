"""Tiles of large images, and persons who are in several of them."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from anon_ros.config import DetectionConfig, load_config
from anon_ros.core import Detections, Mask, RgbImage, Roi
from anon_ros.errors import ConfigError, SegmentationError
from anon_ros.models.detection.joining import join_tiles
from anon_ros.models.detection.segmenter import PersonSegmenter
from anon_ros.models.detection.tiles import plan_tiles


def make_config(**changes: object) -> DetectionConfig:
    return replace(DetectionConfig(), **changes)  # type: ignore[arg-type]


def test_auto_leaves_images_of_usual_size_whole() -> None:
    whole = [[Roi(0, 0, 1920, 1080)]]
    assert plan_tiles(1920, 1080, make_config()) == whole
    assert plan_tiles(1920, 1080, make_config(tiles="off")) == whole
    assert len(plan_tiles(1921, 1080, make_config())) > 1


def test_auto_tiles_show_the_image_at_its_own_resolution() -> None:
    smallest, *_, whole = plan_tiles(8192, 4096, make_config())
    assert max(max(tile.width_px, tile.height_px) for tile in smallest) <= 640
    assert whole == [Roi(0, 0, 8192, 4096)]


@pytest.mark.parametrize(("width_px", "height_px"), [(8192, 4096), (1000, 3000), (1921, 700)])
@pytest.mark.parametrize("tiles", ["auto", "2x1", "5x4", "9x9"])
def test_nobody_is_cut_in_all_grids(width_px: int, height_px: int, tiles: str) -> None:
    """A person of any size lies whole in a tile, and has a thirtieth of its side or more there."""
    grids = plan_tiles(width_px, height_px, make_config(tiles=tiles))
    rng = np.random.default_rng(0)
    for _ in range(300):
        height = int(np.exp(rng.uniform(np.log(20), np.log(height_px))))
        width = min(max(8, height // 2), width_px)
        left = int(rng.integers(width_px - width + 1))
        top = int(rng.integers(height_px - height + 1))
        person = Roi(left, top, left + width, top + height)
        fitting = [tile for tile in itertools.chain(*grids) if tile.contains(person)]
        smallest_px = min(max(tile.width_px, tile.height_px) for tile in fitting)
        smallest_grid_px = max(grids[0][0].width_px, grids[0][0].height_px)
        assert smallest_px == smallest_grid_px or height > smallest_px / 30


def test_tiles_cover_the_image() -> None:
    for grid in plan_tiles(3001, 2003, make_config(tiles="7x5")):
        shown = np.zeros((2003, 3001), np.bool_)
        for tile in grid:
            assert Roi(0, 0, 3001, 2003).contains(tile)
            shown[tile.slices] = True
        assert shown.all()


@pytest.mark.parametrize("value", ["4", "0x2", "axb", "4x", "100x2", "4X2", "on", ""])
def test_wrong_tiles_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"detect\.tiles: .* one of auto, off, or as 4x2"):
        load_config(None, {"detect.tiles": value})


def test_yaml_off_means_off() -> None:
    assert load_config(None, {"detect.tiles": False}).detect.tiles == "off"


def make_detections(tile: Roi, *persons: tuple[Roi, float]) -> Detections:
    """Persons as full rectangles, in px of the tile."""
    masks = np.zeros((len(persons), tile.height_px, tile.width_px), np.bool_)
    boxes = np.zeros((len(persons), 4), np.float32)
    for index, (person, _) in enumerate(persons):
        seen = person.intersection(tile).relative_to(tile)
        masks[index][seen.slices] = True
        boxes[index] = [seen.x0, seen.y0, seen.x1, seen.y1]
    scores = np.array([score for _, score in persons], np.float32)
    return Detections(boxes, scores, np.zeros(len(persons), np.int64), masks)


LEFT, RIGHT, WHOLE = Roi(0, 0, 60, 100), Roi(40, 0, 100, 100), Roi(0, 0, 100, 100)
GRIDS = [[LEFT, RIGHT], [WHOLE]]


def join(*found: list[tuple[Roi, float]]) -> Detections:
    tiles = [LEFT, RIGHT, WHOLE]
    detections = [make_detections(t, *persons) for t, persons in zip(tiles, found, strict=True)]
    return join_tiles(GRIDS, detections, 100, 100, confidence=0.25)


def draw(*rois: Roi) -> Mask:
    mask = np.zeros((100, 100), np.bool_)
    for roi in rois:
        mask[roi.slices] = True
    return mask


def test_same_person_in_three_tiles_is_one() -> None:
    person, larger = Roi(42, 20, 58, 60), Roi(41, 20, 58, 61)
    found = join([(person, 0.4)], [(person, 0.9)], [(larger, 0.3)])
    assert len(found) == 1
    assert found.scores[0] == np.float32(0.9)
    assert np.array_equal(found.masks[0], draw(larger))
    assert found.boxes_xyxy[0].tolist() == [41, 20, 58, 61]


def test_neighbors_stay_apart() -> None:
    """Two in one tile, whose masks overlap a little; and the same two in the whole image."""
    two = [(Roi(41, 20, 50, 60), 0.9), (Roi(49, 20, 59, 60), 0.8)]
    assert len(join(two, two, two)) == 2


def test_person_across_the_seam_is_one() -> None:
    """Each tile shows a part; only the whole image shows the person."""
    person = Roi(10, 30, 90, 70)
    found = join([(person, 0.9)], [(person, 0.8)], [(person, 0.5)])
    assert len(found) == 1
    assert np.array_equal(found.masks[0], draw(person))


def test_sparse_views_of_a_person_cover_their_box() -> None:
    """Each shows less than a tenth of the box; together they show more."""
    person, spots = Roi(42, 20, 58, 60), [Roi(45, 30, 52, 38), Roi(48, 30, 55, 38)]
    tiles = [LEFT, RIGHT]
    views = [
        replace(make_detections(tile, (person, 0.9)), masks=make_detections(tile, (spot, 0)).masks)
        for tile, spot in zip(tiles, spots, strict=True)
    ]
    found = join_tiles([tiles], views, 100, 100, confidence=0.25)
    assert np.array_equal(found.masks, [draw(person)])


def test_parts_across_the_seam_are_covered_without_a_view_of_the_whole() -> None:
    person = Roi(10, 30, 90, 70)
    found = join([(person, 0.9)], [(person, 0.8)], [])
    assert np.array_equal(found.masks.any(axis=0), draw(person))


def test_view_of_two_as_one_loses_no_pixel() -> None:
    two = [(Roi(41, 20, 49, 60), 0.9), (Roi(51, 20, 57, 60), 0.8)]
    both = Roi(40, 18, 60, 62)
    found = join(two, [], [(both, 0.95)])
    assert len(found) == 2
    assert np.array_equal(found.masks.any(axis=0), draw(both))
    assert not np.logical_and(*found.masks).any()


def test_weak_view_takes_no_pixel_of_a_person() -> None:
    """The two are as likely as the view of both that gave one of them its pixels."""
    parts = [(Roi(41, 20, 49, 40), 0.6), (Roi(41, 40, 49, 60), 0.1)]
    whole = Roi(41, 20, 49, 60)
    found = join(parts, [], [(whole, 0.9)])
    assert np.array_equal(found.above(0.25).masks.any(axis=0), draw(whole))


@dataclass(frozen=True)
class PixelBackend:
    """Finds each white pixel of a picture as a person of that pixel."""

    device: object = None

    def search(
        self,
        images: list[RgbImage],
        _: DetectionConfig,
        min_score: float,  # noqa: ARG002
    ) -> list[Detections]:
        return [self._search(image) for image in images]

    def _search(self, image: RgbImage) -> Detections:
        places = np.argwhere(image[..., 0] == 255)
        masks = np.zeros((len(places), *image.shape[:2]), np.bool_)
        for mask, (y, x) in zip(masks, places, strict=True):
            mask[y, x] = True
        boxes = np.array([[x, y, x + 1, y + 1] for y, x in places], np.float32).reshape(-1, 4)
        return Detections(
            boxes, np.ones(len(places), np.float32), np.zeros(len(places), np.int64), masks
        )


def make_picture(count: int) -> RgbImage:
    image = np.random.default_rng(0).integers(30, 200, (120, 200, 3), np.uint8)
    for index in range(count):
        image[(7 * index + 3) % 120, (31 * index) % 200] = 255
    return image


def test_segmenter_finds_each_person_once() -> None:
    segmenter = PersonSegmenter(PixelBackend(), make_config(tiles="4x3"))  # type: ignore[arg-type]
    image = make_picture(20)
    found = segmenter.segment(image)
    assert len(found) == 20
    assert np.array_equal(found.masks.any(axis=0), image[..., 0] == 255)


def test_persons_of_all_tiles_reach_max_persons() -> None:
    config = make_config(tiles="4x3", max_persons=20)
    segmenter = PersonSegmenter(PixelBackend(), config)  # type: ignore[arg-type]
    with pytest.raises(SegmentationError, match="max_persons"):
        segmenter.segment(make_picture(20))
