"""Pictures of a recording beside its anonymized version: one frame, and clips."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from camera_frames import HEIGHT_PX, PERIOD_NS, WIDTH_PX, BgrImage
from PIL import Image
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from anon_ros.bags import MasksDb
from anon_ros.utils.units import NS_PER_MS, NS_PER_S

_STORE = get_typestore(Stores.ROS2_JAZZY)
_GAP_PX = 8
# Of the looping clip, which a page loads: 2 MB at most.
_LOOP_WIDTH_PX = 960
_LOOP_QUALITY = 55


def write_pictures(
    before: Path, after: Path, folder: Path, window_xywh: Sequence[int] = ()
) -> list[Path]:
    """Write a frame, a clip and a looping clip; return their paths.

    The frame is the one with the most persons who were detected in it and drawn anew.

    Args:
        before: recording with one image topic.
        after: the same recording, anonymized by ``anon_ros bag``.
        folder: to write before_after.png, clip.mp4 and clip.webp into.
        window_xywh: the part of the images to show; empty for all of them.
    """
    x, y, *size_wh = window_xywh or (0, 0, WIDTH_PX, HEIGHT_PX)
    window = slice(y, y + size_wh[1]), slice(x, x + size_wh[0])
    images = zip(_iter_images(before), _iter_images(after), strict=True)
    pairs = [_join(left[window], right[window]) for left, right in images]
    picture, clip, loop = (folder / name for name in ("before_after.png", "clip.mp4", "clip.webp"))
    cv2.imwrite(str(picture), pairs[_find_best_frame(after)])
    _write_clip(pairs, clip)
    _write_loop(pairs, loop)
    return [picture, clip, loop]


def _write_clip(frames: Sequence[BgrImage], path: Path) -> None:
    codec = cv2.VideoWriter_fourcc(*"mp4v")
    size_wh = frames[0].shape[1], frames[0].shape[0]
    writer = cv2.VideoWriter(str(path), codec, NS_PER_S / PERIOD_NS, size_wh)
    for frame in frames:
        writer.write(frame)
    writer.release()


def _write_loop(frames: Sequence[BgrImage], path: Path) -> None:
    height_px, width_px = frames[0].shape[:2]
    size_wh = _LOOP_WIDTH_PX, round(_LOOP_WIDTH_PX * height_px / width_px)
    resized = (cv2.resize(frame, size_wh, interpolation=cv2.INTER_AREA) for frame in frames)
    first, *others = [Image.fromarray(cv2.cvtColor(f, cv2.COLOR_BGR2RGB)) for f in resized]
    duration_ms = PERIOD_NS // NS_PER_MS
    options = {"duration": duration_ms, "loop": 0, "quality": _LOOP_QUALITY, "method": 6}
    first.save(path, save_all=True, append_images=others, **options)


def _find_best_frame(anonymized: Path) -> int:
    with closing(MasksDb(anonymized / "masks.db")) as masks_db:
        records = list(masks_db.iter_file(0))
    drawn = [len(r.boxes_xyxy) - len(r.cover_reasons) - r.num_propagated for r in records]
    return int(np.argmax(drawn))


def _join(before: BgrImage, after: BgrImage) -> BgrImage:
    gap = np.full((len(before), _GAP_PX, 3), 255, np.uint8)
    return np.hstack([before, gap, after])


def _iter_images(bag: Path) -> Iterator[BgrImage]:
    with Reader(bag) as reader:
        connections = [c for c in reader.connections if c.msgtype == "sensor_msgs/msg/Image"]
        for connection, _, data in reader.messages(connections):
            message = _STORE.deserialize_cdr(data, connection.msgtype)
            yield message.data.reshape(message.height, message.width, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="recording, as build/demo/drive")
    parser.add_argument("after", type=Path, help="anonymized, as build/demo/drive_anonymized")
    parser.add_argument("folder", type=Path, help="where to write the pictures, as docs")
    parser.add_argument(
        "--window", type=int, nargs=4, default=(), metavar=("X", "Y", "WIDTH", "HEIGHT")
    )
    chosen = parser.parse_args()
    print(*write_pictures(chosen.before, chosen.after, chosen.folder, chosen.window), sep="\n")


if __name__ == "__main__":
    main()
