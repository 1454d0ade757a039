"""Encodings of luma and chroma: yuv422, yuv422_yuy2, nv12, nv21, nv24.

Colors are ITU-R BT.601 in limited range, as OpenCV, cv_bridge and rosbags-image take them. No
message says so, and some cameras use all 256 levels: where luma outside of the limited range may
show persons, all are full range, as JFIF takes them. What is drawn goes back the same way.

Exactly the luma samples under the mask are rewritten, and every chroma sample that a pixel of the
mask has a part in. Its new value is the mean over those pixels of the mask alone: the other pixels
of the cell still show the original's chroma, which must not be mixed in again.
"""

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import Mask, RgbImage, Roi
from anon_ros.images.bit_depth import FULL_RANGE
from anon_ros.images.layout import RowBuffer
from anon_ros.images.packed import sample_view

Plane: TypeAlias = npt.NDArray[np.uint8]
Planes: TypeAlias = tuple[Plane, Plane, Plane]

Matrix: TypeAlias = npt.NDArray[np.float64]

# ITU-R BT.601, from RGB with a constant 1 to Y, U and V. Full range has 255 levels of both; limited
# range has 219 of luma from 16 on, and 224 of chroma.
_FULL = np.array(
    [
        [0.299, 0.587, 0.114, 0],
        [-0.168736, -0.331264, 0.5, 128],
        [0.5, -0.418688, -0.081312, 128],
    ]
)
_LIMITED = np.array(
    [
        [65.481 / 255, 128.553 / 255, 24.966 / 255, 16],
        [-37.797 / 255, -74.203 / 255, 112.0 / 255, 128],
        [112.0 / 255, -93.786 / 255, -18.214 / 255, 128],
    ]
)


@dataclass(frozen=True)
class Yuv422Layout:
    """A layout of two pixels in four bytes, with a common U and V.

    Attributes:
        luma_index: index of the luma byte of a pixel: 0 for YUY2 (YUYV), 1 for UYVY.
    """

    luma_index: int
    size_multiple_hw: tuple[int, int] = (1, 2)
    min_px: int = 1

    def row_bytes(self, width_px: int) -> int:
        return width_px * 2

    def row_count(self, height_px: int) -> int:
        return height_px

    def decode(self, rows: RowBuffer) -> RgbImage:
        planes = self._view_planes(rows)
        if _choose_matrix(rows, planes) is _FULL:
            return _to_rgb(planes, self.size_multiple_hw, _FULL)
        code = cv2.COLOR_YUV2RGB_UYVY if self.luma_index else cv2.COLOR_YUV2RGB_YUY2
        return np.asarray(cv2.cvtColor(sample_view(rows, 2, 1), code), np.uint8)

    def write(self, rows: RowBuffer, image: RgbImage, mask: Mask, roi: Roi) -> None:
        planes = self._view_planes(rows)
        yuv_values = _to_yuv(image[roi.slices], _choose_matrix(rows, planes))
        _paint(planes, self.size_multiple_hw, yuv_values, mask, roi)

    def _view_planes(self, rows: RowBuffer) -> Planes:
        samples = sample_view(rows, 2, 1).astype(np.uint8, copy=False)
        chroma = samples[..., 1 - self.luma_index]
        return samples[..., self.luma_index], chroma[:, 0::2], chroma[:, 1::2]


@dataclass(frozen=True)
class SemiPlanarLayout:
    """A layout of a plane of luma, then a plane of chroma pairs.

    ``height`` and ``step`` of the message are those of the luma plane: so depthai's driver fills
    it, and sensor_msgs/image_encodings.hpp (getHeightScaling) and rviz take it. A row of chroma
    has ``step`` bytes for nv12 and nv21 and 2 * ``step`` for nv24, as the kernel's V4L2 formats
    say and rtsp_image_transport reads it.

    Attributes:
        u_at: index of U in a pair: 0 for nv12 and nv24, 1 for nv21.
        size_multiple_hw: pixels that share a pair: (2, 2), or (1, 1) for nv24.
    """

    u_at: int
    size_multiple_hw: tuple[int, int]
    min_px: int = 1

    def row_bytes(self, width_px: int) -> int:
        return width_px

    def row_count(self, height_px: int) -> int:
        cell_height_px, cell_width_px = self.size_multiple_hw
        return height_px + 2 * height_px // (cell_height_px * cell_width_px)

    def decode(self, rows: RowBuffer) -> RgbImage:
        planes = self._view_planes(rows)
        if _choose_matrix(rows, planes) is _FULL:
            return _to_rgb(planes, self.size_multiple_hw, _FULL)
        if self.size_multiple_hw == (1, 1):
            luma, u, v = planes
            # OpenCV 4 has no code for 4:4:4; like its others, black is all that is below 16.
            return _to_rgb((np.maximum(luma, 16), u, v), self.size_multiple_hw, _LIMITED)
        code = cv2.COLOR_YUV2RGB_NV21 if self.u_at else cv2.COLOR_YUV2RGB_NV12
        return np.asarray(cv2.cvtColor(rows.data[:, : rows.width_px], code), np.uint8)

    def write(self, rows: RowBuffer, image: RgbImage, mask: Mask, roi: Roi) -> None:
        planes = self._view_planes(rows)
        yuv_values = _to_yuv(image[roi.slices], _choose_matrix(rows, planes))
        _paint(planes, self.size_multiple_hw, yuv_values, mask, roi)

    def _view_planes(self, rows: RowBuffer) -> Planes:
        cell_height_px, cell_width_px = self.size_multiple_hw
        luma = rows.data[: rows.height_px, : rows.width_px]
        pairs = rows.data[rows.height_px :].reshape(rows.height_px // cell_height_px, -1)
        pairs = pairs[:, : 2 * rows.width_px // cell_width_px]
        return luma, pairs[:, self.u_at :: 2], pairs[:, 1 - self.u_at :: 2]


def _choose_matrix(rows: RowBuffer, planes: Planes) -> Matrix:
    return _FULL if rows.tone_rule(planes[0], is_luma=True) is FULL_RANGE else _LIMITED


def _to_rgb(planes: Planes, cell_hw: tuple[int, int], matrix: Matrix) -> RgbImage:
    cell_height_px, cell_width_px = cell_hw
    luma, *pairs = planes
    chroma = [plane.repeat(cell_height_px, 0).repeat(cell_width_px, 1) for plane in pairs]
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 0, 1]]))[:3]
    return np.asarray(cv2.transform(np.dstack([luma, *chroma]), inverse), np.uint8)


def _to_yuv(image: RgbImage, matrix: Matrix) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.transform(image, matrix), np.uint8)


def _paint(
    planes: Planes,
    cell_hw: tuple[int, int],
    yuv_values: npt.NDArray[np.uint8],
    mask: Mask,
    roi: Roi,
) -> None:
    cell_height_px, cell_width_px = cell_hw
    inside = mask[roi.slices]
    luma, *chroma = planes
    np.copyto(luma[roi.slices], yuv_values[..., 0], where=inside)
    count = _sum_cells(inside, cell_hw)
    cells = (
        slice(roi.y0 // cell_height_px, roi.y1 // cell_height_px),
        slice(roi.x0 // cell_width_px, roi.x1 // cell_width_px),
    )
    for plane, values in zip(chroma, (yuv_values[..., 1], yuv_values[..., 2]), strict=True):
        total = _sum_cells(values * inside, cell_hw)
        mean = (total + count // 2) // np.maximum(count, 1)
        np.copyto(plane[cells], mean.astype(np.uint8), where=count > 0)


def _sum_cells(values: npt.NDArray[np.generic], cell_hw: tuple[int, int]) -> npt.NDArray[np.uint16]:
    """Return (H / h, W / w), the sum over each cell of h x w pixels."""
    cell_height_px, cell_width_px = cell_hw
    parts = [
        values[row::cell_height_px, column::cell_width_px]
        for row in range(cell_height_px)
        for column in range(cell_width_px)
    ]
    return np.asarray(np.sum(parts, axis=0, dtype=np.uint16))
