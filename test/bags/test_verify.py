"""``anon_ros verify``: says nothing of a clean output, and names each planted defect."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from planting import Edit, changed, plant, showing, shown, with_fields
from reading import Read, read
from recordings import (
    BAYER,
    IMAGES,
    IMU,
    INFO,
    JPEG,
    ODD,
    RAW,
    START_NS,
    STATIC,
    STEP_NS,
    Recorded,
    by_mcap,
    by_ros1,
    by_rosbags,
    jpeg,
    raw,
    recorded,
    split,
)
from sentinel import SentinelModels, SentinelSegmenter, street

from anon_ros.cli import main, verify
from anon_ros.config import load_config
from anon_ros.core import Detections, RgbImage
from anon_ros.images import RawImage, encode_raw
from anon_ros.models import build_segmenter

Run = Callable[..., int]
STORAGES = ("mcap", "sqlite3")


class OfMany(SentinelSegmenter):
    """Forgets all but the first of the persons whom it finds."""

    def segment(self, image: RgbImage) -> Detections:
        found = super().segment(image)
        return Detections(
            found.boxes_xyxy[:1], found.scores[:1], found.class_ids[:1], found.masks[:1]
        )


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``anon_ros verify IN OUT``; flags follow."""
    monkeypatch.setattr(verify, "build_segmenter", lambda _: SentinelSegmenter())

    def check(source: Path, output: Path, *flags: object) -> int:
        return main.main([str(word) for word in ("verify", source, output, *flags)])

    return check


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """Input and output in a storage, made once."""
    made: dict[str, tuple[Path, Path]] = {}

    def done(storage: str) -> tuple[Path, Path]:
        if storage not in made:
            folder = tmp_path_factory.mktemp(storage)
            source = by_rosbags(folder / "in", storage)
            models = SentinelModels()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("anon_ros.cli.bag.build_tracking_anonymizer", models.anonymizer)
                patch.setattr("anon_ros.cli.bag.model_hashes", lambda _: [])
                words = ["bag", str(source), str(folder / "out"), "--inpaint.method", "fill"]
                assert main.main(words) == 0
            made[storage] = source, folder / "out"
        return made[storage]

    return done


def copy_of(output: Path, folder: Path) -> Path:
    return Path(shutil.copytree(output, folder / "out"))


def time_of(topic: str, index: int = 2) -> int:
    return START_NS + index * STEP_NS + (IMAGES.index(topic) if topic in IMAGES else 0)


def lines(capsys: pytest.CaptureFixture[str], kind: str) -> list[str]:
    told = capsys.readouterr().out.splitlines()
    return [line.removeprefix(f"{kind}: ") for line in told if line.startswith(f"{kind}: ")]


# Nothing wrong.

FLAGS: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "prefix": ("--prefix", "/anon"),
    "every 2nd": ("--every-nth", "2"),
    "others covered": ("--every-nth", "2", "--skip.on_skipped", "cover"),
    "rate": ("--skip.max_rate_hz", "4"),
    "part": ("--start", "0.1", "--duration", "0.25"),
    "some topics": ("--topics", RAW, IMU, ODD),
    "dropped": ("--drop", JPEG),
    "copied": ("--copy", BAYER),
    "no masks": ("--no-masks",),
    "no masks, every 2nd": ("--no-masks", "--every-nth", "2"),
    "file": ("--compression", "file"),
    "message": ("--compression", "message"),
    "other storage": ("--storage", "sqlite3"),
}


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS.keys())
def test_a_clean_output_is_clean(
    tmp_path: Path, run: Run, check: Run, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]
) -> None:
    source, output = by_rosbags(tmp_path / "in"), tmp_path / "out"
    assert run(source, output, *flags) == 0
    assert check(source, output) == 0, capsys.readouterr().out
    assert "0 broken, 0 suspicions" in capsys.readouterr().out
    assert ("<figure>" in (output / "review.html").read_text()) == ("--no-masks" not in flags)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("compression", ["none", "file", "message"])
def test_every_form_of_a_folder(
    tmp_path: Path, run: Run, check: Run, storage: str, compression: str
) -> None:
    source = split(tmp_path / "in", storage, 3, compression)
    assert run(source, tmp_path / "out") == 0
    assert check(source, tmp_path / "out", "--detect.confidence", 0.5) == 0
    assert not list(tmp_path.glob(".anon_ros-*"))


@pytest.mark.parametrize("name", ["in.mcap", "in.bag", "in.db3"])
def test_bare_files(
    tmp_path: Path, run: Run, check: Run, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    source, output = tmp_path / name, tmp_path / name.replace("in", "out")
    if name == "in.db3":
        (by_rosbags(tmp_path / "folder", "sqlite3") / "folder.db3").rename(source)
    else:
        (by_mcap if name == "in.mcap" else by_ros1)(source)
    assert run(source, output) == 0
    assert check(source, output) == 0
    told = capsys.readouterr().out
    assert "49 messages compared: 31 copies, 18 images with 54 persons; " in told
    assert (tmp_path / f"{output.name}.review.html").is_file()
    plant(output, changed(IMU, 4, lambda each: each._replace(data=each.data[:-1] + b"\7")))
    plant(output, changed(RAW, 1, lambda _: read(source)[0]._replace(topic=RAW)))
    assert check(source, output) == 2
    assert any(line.startswith(f"{IMU} at ") for line in lines(capsys, "broken"))


def test_a_damaged_input_that_was_salvaged(tmp_path: Path, run: Run, check: Run) -> None:
    source, output = by_mcap(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    assert run(source, output, "--salvage") == 0
    assert check(source, output) == 0


@pytest.mark.parametrize("flag", [(), ("--no-masks",)])
@pytest.mark.parametrize("topic", [RAW, JPEG])
def test_an_image_that_was_lost(
    tmp_path: Path, run: Run, check: Run, topic: str, flag: tuple[str, ...]
) -> None:
    source, output = by_rosbags(tmp_path / "in", "sqlite3"), tmp_path / "out"
    plant(source, changed(topic, 2, lambda each: each._replace(data=each.data[:90])))
    assert run(source, output, "--salvage", *flag) == 0
    assert check(source, output) == 0


# Suspicions.


@pytest.mark.parametrize("storage", STORAGES)
def test_a_person_whom_the_first_look_missed(
    tmp_path: Path,
    run: Run,
    check: Run,
    models: SentinelModels,
    capsys: pytest.CaptureFixture[str],
    storage: str,
) -> None:
    models.segmenter = OfMany()
    source, output = by_rosbags(tmp_path / "in", storage), tmp_path / "out"
    assert run(source, output) == 0
    assert check(source, output) == 1
    told = lines(capsys, "suspicion")
    assert len(told) == 18 * 2
    place = re.escape(f"{RAW} at {time_of(RAW)} ns: a person at ")
    assert sum(bool(re.match(place + r"\d+,\d+ to \d+,\d+ px, score 1.00", t)) for t in told) == 2
    page = (output / "review.html").read_text()
    assert page.count("<figure>") == 18
    assert "a person at " in page
    assert check(source, output, "--no-second-look") == 0
    assert lines(capsys, "not checked") == ["who can still be found: no second look was asked for"]


def test_every_nth_image_gets_a_second_look(
    tmp_path: Path, done: Any, check: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = done("mcap")
    page = tmp_path / "page.html"
    assert check(source, output, "--every-nth", 4, "--review", page) == 0
    assert "second look at 6 images" in capsys.readouterr().out
    assert page.is_file()


def test_synthetic_persons_without_masks_cannot_be_judged(
    tmp_path: Path, run: Run, check: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = by_rosbags(tmp_path / "in"), tmp_path / "out"
    flags = ("--no-masks", "--inpaint.method", "pixelate", "--inpaint.min_person_px", 1)
    assert run(source, output, *flags) == 0
    assert check(source, output) == 1
    (told,) = lines(capsys, "suspicion")
    assert "cannot tell synthetic persons from missed ones" in told


def test_a_segmenter_that_fails_is_a_suspicion(
    done: Any, check: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing(SentinelSegmenter):
        def segment(self, image: RgbImage) -> Detections:
            message = f"injected: {image.shape}"
            raise RuntimeError(message)

    monkeypatch.setattr(verify, "build_segmenter", lambda _: Failing())
    assert check(*done("mcap")) == 1
    told = lines(capsys, "suspicion")
    assert f"{RAW} at {time_of(RAW)} ns: the second look failed: RuntimeError: injected" in told[6]


# Defects.


def original(topic: str, index: int = 2) -> Callable[[Path], Edit]:
    """The frame of the input in place of its output."""

    def planted(source: Path) -> Edit:
        (was,) = [e for e in read(source) if (e.topic, e.time_ns) == (topic, time_of(topic, index))]
        return changed(topic, index, lambda each: each._replace(data=was.data))

    return planted


def put_back(topic: str) -> Callable[[Path], Edit]:
    """The person in the middle, as in the input."""

    def planted(source: Path) -> Edit:
        (was,) = [e for e in read(source) if (e.topic, e.time_ns) == (topic, time_of(topic))]
        window = slice(6, 42), slice(25, 43)

        def change(each: Read) -> Read:
            if topic == BAYER:
                return with_fields(each, lambda message: paste(message, was))
            image = shown(each)
            image[window] = shown(was)[window]
            return showing(each, image)

        def paste(message: Any, was: Read) -> None:
            data = np.array(message.data).reshape(48, 64)
            before = np.frombuffer(was.data[-48 * 64 :], np.uint8).reshape(48, 64)
            data[window] = before[window]
            message.data = data.reshape(-1)

        return changed(topic, 2, change)

    return planted


def changed_pixel(topic: str) -> Callable[[Path], Edit]:
    """One that nobody stood near: of a raw image one level, of a JPEG what compression keeps."""

    def change(each: Read) -> Read:
        if topic == JPEG:
            image = shown(each)
            image[0:8, 52:60] += 9
            return showing(each, image)
        first = {RAW: -48 * (64 * 3 + 5), BAYER: -48 * 64}[topic]
        return each._replace(
            data=each.data[:first] + bytes([each.data[first] ^ 1]) + each.data[first + 1 :]
        )

    return lambda _: changed(topic, 2, change)


def field(topic: str, change: Callable[[Any], None]) -> Callable[[Path], Edit]:
    return lambda _: changed(topic, 2, lambda each: with_fields(each, change))


def stamp(message: Any) -> None:
    message.header.stamp.nanosec += 1


def frame_id(message: Any) -> None:
    message.header.frame_id = "other"


def one_more(messages: list[Read]) -> list[Read]:
    index = [e.topic for e in messages].index(ODD)
    return [*messages[:5], messages[index]._replace(time_ns=START_NS + 5), *messages[5:]]


def flipped(each: Read) -> Read:
    return each._replace(data=each.data[:30] + bytes([each.data[30] ^ 4]) + each.data[31:])


DEFECTS: dict[str, tuple[Callable[[Path], Edit], str, int, str]] = {
    **{
        f"original {topic}": (
            original(topic),
            topic,
            time_of(topic),
            "is that of the input, with 3",
        )
        for topic in IMAGES
    },
    **{
        f"person of {topic}": (put_back(topic), topic, time_of(topic), "the person at 2")
        for topic in IMAGES
    },
    **{
        f"pixel of {topic}": (changed_pixel(topic), topic, time_of(topic), "outside the mask")
        for topic in IMAGES
    },
    **{
        f"log time of {topic}": (
            lambda _, topic=topic: changed(  # type: ignore[misc]  # mypy knows no default here
                topic, 2, lambda each: each._replace(time_ns=each.time_ns + 1)
            ),
            topic,
            time_of(topic) + 1,
            f"the input has {time_of(topic)} ns as log time",
        )
        for topic in (RAW, INFO)
    },
    "stamp": (field(JPEG, stamp), JPEG, time_of(JPEG), "header.stamp.nanosec 14 became 15"),
    "frame_id": (field(BAYER, frame_id), BAYER, time_of(BAYER), "'rear' became 'other'"),
    "byte": (lambda _: changed(INFO, 2, flipped), INFO, time_of(INFO), "bytes differ"),
    "missing": (lambda _: changed(INFO, 2, lambda _: None), INFO, time_of(INFO), "is missing"),
    "missing image": (lambda _: changed(RAW, 2, lambda _: None), RAW, time_of(RAW), "is missing"),
    "last": (lambda _: changed(ODD, -1, lambda _: None), ODD, time_of(ODD, 5) + 20, "is missing"),
    "more": (lambda _: one_more, ODD, START_NS + 5, "the input has no such message"),
    "not decoded": (
        field(JPEG, lambda message: setattr(message, "data", message.data[:99])),
        JPEG,
        time_of(JPEG),
        "cannot be decoded",
    ),
}


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_named(
    tmp_path: Path,
    done: Any,
    check: Run,
    capsys: pytest.CaptureFixture[str],
    storage: str,
    defect: str,
) -> None:
    make, topic, time_ns, words = DEFECTS[defect]
    source, clean = done(storage)
    output = copy_of(clean, tmp_path)
    plant(output, make(source))
    assert check(source, output) == 2
    told = lines(capsys, "broken")
    # The place alone, but for totals: nothing behind it is taken for wrong.
    assert [t for t in told if " at " in t and words in t], told
    assert {t.partition(": ")[0] for t in told if " at " in t} == {f"{topic} at {time_ns} ns"}


def test_an_image_that_shows_the_input_is_not_on_the_page(
    tmp_path: Path, done: Any, check: Run
) -> None:
    source, clean = done("mcap")
    output = copy_of(clean, tmp_path)
    plant(output, original(RAW)(source))
    assert check(source, output) == 2
    page = (output / "review.html").read_text()
    assert page.count("<figure>") == 17
    assert f"{time_of(RAW)} ns: the image is that of the input" in page


@pytest.mark.parametrize("storage", STORAGES)
def test_a_topic_that_is_missing(
    tmp_path: Path, done: Any, check: Run, capsys: pytest.CaptureFixture[str], storage: str
) -> None:
    source, clean = done(storage)
    output = copy_of(clean, tmp_path)
    plant(output, lambda messages: messages, without=STATIC)
    assert check(source, output) == 2
    told = lines(capsys, "broken")
    assert any(t.startswith(f"{STATIC}: the topic of type std_msgs/msg/String is") for t in told)
    assert {t.partition(": ")[0] for t in told} == {STATIC}


def test_an_output_that_was_cut_off(
    tmp_path: Path, done: Any, check: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    source, clean = done("mcap")
    output = copy_of(clean, tmp_path)
    (file,) = output.glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert check(source, output) == 2
    assert any("is damaged: " in line for line in lines(capsys, "broken"))
    source, clean = done("sqlite3")
    output = Path(shutil.copytree(clean, tmp_path / "other"))
    (file,) = output.glob("*.db3")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert check(source, output) == 2
    (output / "metadata.yaml").unlink()
    file.write_bytes((clean / file.name).read_bytes())
    assert check(source, output) == 2
    assert any("metadata.yaml is missing" in line for line in lines(capsys, "broken"))


def test_what_is_known_of_a_topic(
    tmp_path: Path, done: Any, check: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    source, clean = done("sqlite3")
    output = copy_of(clean, tmp_path)
    with sqlite3.connect(output / "in.db3") as database:
        database.execute("UPDATE topics SET offered_qos_profiles = '[]' WHERE name = ?", (IMU,))
        database.execute("UPDATE topics SET type_description_hash = 'x' WHERE name = ?", (RAW,))
        database.execute(
            "UPDATE message_definitions SET encoded_message_definition = 'int8 a' "
            "WHERE topic_type LIKE 'strange%'"
        )
    path = output / "metadata.yaml"
    found = yaml.safe_load(path.read_text())
    topics = found["rosbag2_bagfile_information"]["topics_with_message_count"]
    (entry,) = [each for each in topics if each["topic_metadata"]["name"] == JPEG]
    entry["message_count"] = 7
    entry["topic_metadata"]["offered_qos_profiles"] = []
    path.write_text(yaml.safe_dump(found))
    assert check(source, output) == 2
    starts = [
        f"{IMU}: qos differs",
        f"{RAW}: type hash differs",
        f"{ODD}: definition differs",
        f"{JPEG}: metadata.yaml has 7 messages, the output 6",
        f"{JPEG}: metadata.yaml has other QoS profiles",
    ]
    told = lines(capsys, "broken")
    for start in starts:
        assert any(line.startswith(start) for line in told), start


def test_what_only_mcap_has(
    tmp_path: Path, run: Run, check: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = by_mcap(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    assert run(source, output) == 0
    plant(output, changed(IMU, 0, lambda each: each._replace(extra=(1, each.extra[1]))))
    plant(output, changed(ODD, 2, lambda each: each._replace(extra=(each.extra[0], 9))))
    data = output.read_bytes()
    assert data.count(b"calibration.yaml") > 1
    output.write_bytes(data.replace(b"nobody", b"mister"))
    assert check(source, output) == 2
    told = lines(capsys, "broken")
    assert told[0] == f"{IMU} at {START_NS + 10} ns: publish_time_ns {START_NS - 323} became 1"
    assert told[1].startswith(f"{ODD} at {time_of(ODD) + 20} ns: sequence ")
    assert told[2:] == [
        "metadata trip: is missing in the output, or changed",
        "metadata trip: is in the output, but not so in the input",
    ]


def test_masks_that_do_not_fit(
    tmp_path: Path, done: Any, check: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    source, clean = done("mcap")
    output = copy_of(clean, tmp_path)
    large = cv2.imencode(".png", np.full((99, 64), 255, np.uint8))[1].tobytes()
    with sqlite3.connect(output / "masks.db") as database:
        update = "UPDATE frames SET mask = ? WHERE topic = ? AND log_time_ns = ?"
        database.execute(update, (large, RAW, time_of(RAW)))
        database.execute(update, (None, JPEG, time_of(JPEG)))
        database.execute("DELETE FROM frames WHERE number = 17")
    assert check(source, output) == 2
    told = lines(capsys, "broken")
    assert f"{RAW} at {time_of(RAW)} ns: masks.db: the mask is 64 x 99 px, not 64 x 48 px" in told
    start = f"{JPEG} at {time_of(JPEG)} ns: the person at"
    assert any(t.startswith(start) and "no pixel in the mask" in t for t in told)
    assert any(t.startswith(f"{BAYER} at {time_of(BAYER, 5)} ns: masks.db ends") for t in told)


def test_frames_of_the_input_are_found_without_masks(
    tmp_path: Path, run: Run, check: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = by_rosbags(tmp_path / "in"), tmp_path / "out"
    assert run(source, output, "--no-masks") == 0
    plant(output, original(RAW)(source))
    assert check(source, output, "--no-second-look") == 2
    (told,) = lines(capsys, "broken")
    assert told.endswith("1 images are those of the input, but in only 0 was nobody found")


def test_images_without_persons(tmp_path: Path, run: Run, check: Run) -> None:
    empty = np.full((48, 64, 3), 90, np.uint8)
    messages = [
        each._replace(message=jpeg(empty, index)) if each.topic == JPEG else each
        for index, each in enumerate(recorded())
    ]
    source, output = by_rosbags(tmp_path / "in", messages=messages), tmp_path / "out"
    assert run(source, output) == 0
    assert check(source, output) == 0
    plant(output, changed(JPEG, 1, lambda each: showing(each, street(64, 48))))
    assert check(source, output) == 2


@pytest.mark.parametrize("quality", [40, 75, 100])
def test_a_jpeg_of_any_quality(
    tmp_path: Path, run: Run, check: Run, quality: int, bus_rgb: RgbImage
) -> None:
    """A busy picture, in which compression changes much."""
    image = np.repeat(bus_rgb[..., 1:2], 3, axis=2)
    image[300:700, 200:330] = (0, 255, 0)
    messages = [
        Recorded(JPEG, "sensor_msgs/msg/CompressedImage", START_NS + index, jpeg(image, index))
        for index in range(2)
    ]
    source, output = by_rosbags(tmp_path / "in", messages=messages), tmp_path / "out"
    assert run(source, output, "--output.jpeg_quality", quality) == 0
    assert check(source, output, "--no-second-look") == 0


class Fixed(SentinelSegmenter):
    """Finds somebody at the same place in every image: colours are not seen in all encodings."""

    def segment(self, image: RgbImage) -> Detections:
        mask = np.zeros((1, *image.shape[:2]), np.bool_)
        mask[:, 10:40, 20:41] = True
        box = np.array([[20, 10, 41, 40]], np.float32)
        return Detections(box, np.ones(1, np.float32), np.zeros(1, np.int64), mask)


def encoded(encoding: str, index: int) -> Recorded:
    """A busy picture in an encoding, with 16 bits of which 12 are used."""
    image = np.random.default_rng(index).integers(0, 255, (12, 16, 3), np.uint8)
    image = np.asarray(cv2.resize(image, (64, 48), interpolation=cv2.INTER_LINEAR), np.uint8)
    message: Any = jpeg(image, index)
    if encoding in {"png", "png 16", "grey jpeg"}:
        grey = image[..., 0]
        samples = {"png": np.dstack([image, grey]), "png 16": grey * np.uint16(16)}
        suffix = ".jpg" if encoding == "grey jpeg" else ".png"
        message.data = cv2.imencode(suffix, samples.get(encoding, grey))[1].reshape(-1)
        return Recorded(JPEG, "sensor_msgs/msg/CompressedImage", START_NS + index, message)
    bigendian, step = encoding == "mono16", 64 * 8
    empty = np.zeros(144 * step, np.uint8)
    empty[: 48 * step] = np.tile(np.array([15, 255], np.uint8), 24 * step)  # white of 12 bits
    blank = RawImage(48, 64, encoding, bigendian, step, empty)
    data = encode_raw(blank, image, np.ones((48, 64), np.bool_))
    message = raw(image, index)
    message.encoding, message.step, message.is_bigendian = encoding, step, int(bigendian)
    message.data = np.frombuffer(data, np.uint8)
    return Recorded(RAW, "sensor_msgs/msg/Image", START_NS + index, message)


@pytest.mark.parametrize(
    "encoding",
    [
        *("rgb8", "bgra8", "mono8", "mono16", "rgba16", "bayer_grbg16", "yuv422", "nv12", "nv24"),
        *("png", "png 16", "grey jpeg"),
    ],
)
@pytest.mark.parametrize("kind", ["fill", "pixelate"])
def test_every_encoding(
    tmp_path: Path,
    run: Run,
    check: Run,
    models: SentinelModels,
    capsys: pytest.CaptureFixture[str],
    encoding: str,
    kind: str,
) -> None:
    models.segmenter = Fixed()
    messages = [encoded(encoding, index) for index in range(2)]
    source, output = by_rosbags(tmp_path / "in", messages=messages), tmp_path / "out"
    small = ("--inpaint.method", kind, "--inpaint.min_person_px", 1)
    assert run(source, output, *small) == 0
    assert check(source, output, "--no-second-look") == 0, capsys.readouterr().out
    before = read(source)
    plant(output, changed(messages[1].topic, 1, lambda each: each._replace(data=before[1].data)))
    assert check(source, output, "--no-second-look") == 2
    (told,) = lines(capsys, "broken")
    assert told.endswith(f"at {START_NS + 1} ns: the image is that of the input, with 1 persons")


def test_a_dark_person_in_the_dark(tmp_path: Path, run: Run, check: Run) -> None:
    """What the surroundings are filled with looks as the person did; that is no defect."""
    image = np.full((48, 64, 3), 2, np.uint8)
    image[10:40, 20:40] = (2, 4, 2)
    messages = [each for each in recorded() if each.topic == RAW]
    for each in messages:
        rows = each.message.data.reshape(48, -1)
        rows[:, : 64 * 3] = image[..., ::-1].reshape(48, -1)

    class Seeing(SentinelSegmenter):
        def segment(self, image: RgbImage) -> Detections:
            return super().segment(np.where(image[..., 1:2] > 3, (0, 255, 0), image))

    source, output = by_rosbags(tmp_path / "in", messages=messages), tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        models = SentinelModels(segmenter=Seeing())
        patch.setattr("anon_ros.cli.bag.build_tracking_anonymizer", models.anonymizer)
        assert run(source, output) == 0
    assert json.loads((output / "report.json").read_text())["persons_per_frame"] == {"1": 6}
    assert check(source, output) == 0
    plant(output, original(RAW)(source))
    assert check(source, output) == 2


# What cannot be compared.


def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, run: Run, check: Run, capsys: pytest.CaptureFixture[str], done: Any
) -> None:
    source = by_ros1(tmp_path / "in.bag")
    assert run(source, tmp_path / "out") == 0
    assert check(source, tmp_path / "out") == 2
    assert "anonymize to a .bag and verify that" in capsys.readouterr().err
    one, other = done("mcap")
    assert check(one, one) == 2
    assert "report.json is missing" in capsys.readouterr().err
    assert check(one, tmp_path / "none") == 2
    assert "does not exist" in capsys.readouterr().err
    assert check(one, other, "--review", tmp_path / "none" / "page.html") == 2
    assert "--review: the folder" in capsys.readouterr().err
    output = copy_of(other, tmp_path / "copies")
    (output / "masks.db").write_bytes(b"SQLite format 3\0 no more")
    assert check(one, output) == 2
    (output / "report.json").write_text("{}")
    assert check(one, output) == 2
    assert "report.json cannot be understood" in capsys.readouterr().err


def test_another_recording(
    tmp_path: Path, done: Any, check: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = [e._replace(time_ns=e.time_ns + 5) for e in recorded(frames=3)]
    messages.append(messages[0]._replace(topic="/strange"))
    other = by_rosbags(tmp_path / "in", messages=messages)
    assert check(other, done("mcap")[1]) == 2
    told = lines(capsys, "broken")
    assert any(t.startswith("/strange: of type std_msgs/msg/String is in the input") for t in told)
    assert any("masks.db has" in t for t in told)
    assert told[-1] == "... and 33 more" or told[-1].startswith("... and ")


def test_the_second_look_takes_what_it_is_told(
    tmp_path: Path, done: Any, check: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    def build(config: Any) -> SentinelSegmenter:
        taken.append(config.detect)
        return SentinelSegmenter()

    monkeypatch.setattr(verify, "build_segmenter", build)
    source, output = done("mcap")
    page = ("--review", tmp_path / "page.html")
    assert check(source, output, *page) == 0
    assert check(source, output, *page, "--detect.weights", "a.pt", "--detect.confidence", 0.1) == 0
    assert [(d.weights, d.inference_px, d.confidence) for d in taken] == [
        ("yolov8x-seg.pt", 960, 0.25),
        ("a.pt", 960, 0.1),
    ]


def test_mirrored_boxes_lie_where_the_persons_are(bus_rgb: RgbImage, demo_weights: Path) -> None:
    """With real weights: both looks find the same four persons of the picture."""
    values = {
        "detect.weights": str(demo_weights),
        "detect.confidence": 0.5,
        "compute.device": "cpu",
    }
    segmenter = build_segmenter(load_config(None, values))
    one, other = segmenter.segment(bus_rgb), verify.MirroredSegmenter(segmenter).segment(bus_rgb)
    best = [
        max((mask & each).sum() / (mask | each).sum() for each in other.masks) for mask in one.masks
    ]
    assert sum(share > 0.6 for share in best) >= 2, best
    for box, mask in zip(other.boxes_xyxy, other.masks, strict=True):
        rows, columns = np.nonzero(mask)
        assert np.abs(box - [columns.min(), rows.min(), columns.max(), rows.max()]).max() < 30
