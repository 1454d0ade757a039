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
from planting import (
    Edit,
    change_message,
    decode_shown_image,
    edit_fields,
    replace_image,
    rewrite_bag,
)
from reading import ReadMessage, read_messages
from recordings import (
    BAYER_TOPIC,
    CAMERA_INFO_TOPIC,
    CUSTOM_TOPIC,
    IMAGE_TOPICS,
    IMU_TOPIC,
    JPEG_TOPIC,
    LATCHED_TOPIC,
    RAW_TOPIC,
    START_NS,
    STEP_NS,
    BagMessage,
    generate_messages,
    make_jpeg_image,
    make_raw_image,
    write_mcap,
    write_rosbag1,
    write_rosbag2,
    write_split_rosbag2,
)
from sentinel import SentinelModelProvider, SentinelSegmenter, make_street_image

from anon_ros.cli import main, verify
from anon_ros.config import load_config
from anon_ros.core import Detections, RgbImage
from anon_ros.images import RawImage, encode_raw
from anon_ros.models import build_segmenter

RunCommand = Callable[..., int]
STORAGES = ("mcap", "sqlite3")


class FirstPersonSegmenter(SentinelSegmenter):
    """Forgets all but the first of the persons whom it finds."""

    def segment(self, image: RgbImage) -> Detections:
        found = super().segment(image)
        return Detections(
            found.boxes_xyxy[:1], found.scores[:1], found.class_ids[:1], found.masks[:1]
        )


@pytest.fixture
def run_verify(monkeypatch: pytest.MonkeyPatch) -> RunCommand:
    """Run ``anon_ros verify IN OUT``; flags follow."""
    monkeypatch.setattr(verify, "build_segmenter", lambda _: SentinelSegmenter())

    def run_verify(source: Path, output: Path, *flags: object) -> int:
        return main.main([str(word) for word in ("verify", source, output, *flags)])

    return run_verify


@pytest.fixture(scope="module")
def make_anonymized_bag(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], tuple[Path, Path]]:
    """Input and output in a storage, made once."""
    made: dict[str, tuple[Path, Path]] = {}

    def make_anonymized_bag(storage: str) -> tuple[Path, Path]:
        if storage not in made:
            folder = tmp_path_factory.mktemp(storage)
            source = write_rosbag2(folder / "in", storage)
            models = SentinelModelProvider()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("anon_ros.cli.bag.build_tracking_anonymizer", models.anonymizer)
                patch.setattr("anon_ros.cli.bag.model_hashes", lambda _: [])
                words = ["bag", str(source), str(folder / "out"), "--inpaint.method", "fill"]
                assert main.main(words) == 0
            made[storage] = source, folder / "out"
        return made[storage]

    return make_anonymized_bag


def copy_output(output: Path, folder: Path) -> Path:
    return Path(shutil.copytree(output, folder / "out"))


def get_time_ns(topic: str, index: int = 2) -> int:
    return START_NS + index * STEP_NS + (IMAGE_TOPICS.index(topic) if topic in IMAGE_TOPICS else 0)


def read_findings(capsys: pytest.CaptureFixture[str], kind: str) -> list[str]:
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
    "some topics": ("--topics", RAW_TOPIC, IMU_TOPIC, CUSTOM_TOPIC),
    "dropped": ("--drop", JPEG_TOPIC),
    "copied": ("--copy", BAYER_TOPIC),
    "no masks": ("--no-masks",),
    "no masks, every 2nd": ("--no-masks", "--every-nth", "2"),
    "file": ("--compression", "file"),
    "message": ("--compression", "message"),
    "other storage": ("--storage", "sqlite3"),
}


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS.keys())
def test_verify_accepts_clean_output(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    assert run_bag(source, output, *flags) == 0
    assert run_verify(source, output) == 0, capsys.readouterr().out
    assert "0 broken, 0 suspicions" in capsys.readouterr().out
    assert ("<figure>" in (output / "review.html").read_text()) == ("--no-masks" not in flags)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("compression", ["none", "file", "message"])
def test_verify_accepts_folder_formats(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, storage: str, compression: str
) -> None:
    source = write_split_rosbag2(tmp_path / "in", storage, 3, compression)
    assert run_bag(source, tmp_path / "out") == 0
    assert run_verify(source, tmp_path / "out", "--detect.confidence", 0.5) == 0
    assert not list(tmp_path.glob(".anon_ros-*"))


@pytest.mark.parametrize("name", ["in.mcap", "in.bag", "in.db3"])
def test_verify_handles_single_files(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    source, output = tmp_path / name, tmp_path / name.replace("in", "out")
    if name == "in.db3":
        (write_rosbag2(tmp_path / "folder", "sqlite3") / "folder.db3").rename(source)
    else:
        (write_mcap if name == "in.mcap" else write_rosbag1)(source)
    assert run_bag(source, output) == 0
    assert run_verify(source, output) == 0
    told = capsys.readouterr().out
    assert "49 messages compared: 31 copies, 18 images with 54 persons; " in told
    assert (tmp_path / f"{output.name}.review.html").is_file()
    rewrite_bag(
        output,
        change_message(IMU_TOPIC, 4, lambda each: each._replace(data=each.data[:-1] + b"\7")),
    )
    rewrite_bag(
        output,
        change_message(RAW_TOPIC, 1, lambda _: read_messages(source)[0]._replace(topic=RAW_TOPIC)),
    )
    assert run_verify(source, output) == 2
    assert any(line.startswith(f"{IMU_TOPIC} at ") for line in read_findings(capsys, "broken"))


def test_verify_accepts_salvaged_input(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand
) -> None:
    source, output = write_mcap(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    assert run_bag(source, output, "--salvage") == 0
    assert run_verify(source, output) == 0


@pytest.mark.parametrize("flag", [(), ("--no-masks",)])
@pytest.mark.parametrize("topic", [RAW_TOPIC, JPEG_TOPIC])
def test_verify_accepts_reported_loss(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, topic: str, flag: tuple[str, ...]
) -> None:
    source, output = write_rosbag2(tmp_path / "in", "sqlite3"), tmp_path / "out"
    rewrite_bag(source, change_message(topic, 2, lambda each: each._replace(data=each.data[:90])))
    assert run_bag(source, output, "--salvage", *flag) == 0
    assert run_verify(source, output) == 0


# Suspicions.


@pytest.mark.parametrize("storage", STORAGES)
def test_redetection_finds_missed_person(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    sentinel_models: SentinelModelProvider,
    capsys: pytest.CaptureFixture[str],
    storage: str,
) -> None:
    sentinel_models.segmenter = FirstPersonSegmenter()
    source, output = write_rosbag2(tmp_path / "in", storage), tmp_path / "out"
    assert run_bag(source, output) == 0
    assert run_verify(source, output) == 1
    told = read_findings(capsys, "suspicion")
    assert len(told) == 18 * 2
    place = re.escape(f"{RAW_TOPIC} at {get_time_ns(RAW_TOPIC)} ns: a person at ")
    assert sum(bool(re.match(place + r"\d+,\d+ to \d+,\d+ px, score 1.00", t)) for t in told) == 2
    page = (output / "review.html").read_text()
    assert page.count("<figure>") == 18
    assert "a person at " in page
    assert run_verify(source, output, "--no-second-look") == 0
    assert read_findings(capsys, "not checked") == [
        "who can still be found: no second look was asked for"
    ]


def test_redetection_takes_every_nth(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, output = make_anonymized_bag("mcap")
    page = tmp_path / "page.html"
    assert run_verify(source, output, "--every-nth", 4, "--review", page) == 0
    assert "second look at 6 images" in capsys.readouterr().out
    assert page.is_file()


def test_redetection_needs_masks(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    flags = ("--no-masks", "--inpaint.method", "pixelate", "--inpaint.min_person_px", 1)
    assert run_bag(source, output, *flags) == 0
    assert run_verify(source, output) == 1
    (told,) = read_findings(capsys, "suspicion")
    assert "cannot tell synthetic persons from missed ones" in told


def test_redetection_failure_warns(
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Failing(SentinelSegmenter):
        def segment(self, image: RgbImage) -> Detections:
            message = f"injected: {image.shape}"
            raise RuntimeError(message)

    monkeypatch.setattr(verify, "build_segmenter", lambda _: Failing())
    assert run_verify(*make_anonymized_bag("mcap")) == 1
    told = read_findings(capsys, "suspicion")
    place = f"{RAW_TOPIC} at {get_time_ns(RAW_TOPIC)} ns"
    assert f"{place}: the second look failed: RuntimeError: injected" in told[6]


# Defects.


def restore_image(topic: str, index: int = 2) -> Callable[[Path], Edit]:
    """The frame of the input in place of its output."""

    def planted(source: Path) -> Edit:
        (was,) = [
            e
            for e in read_messages(source)
            if (e.topic, e.time_ns) == (topic, get_time_ns(topic, index))
        ]
        return change_message(topic, index, lambda each: each._replace(data=was.data))

    return planted


def restore_person(topic: str) -> Callable[[Path], Edit]:
    """The person in the middle, as in the input."""

    def planted(source: Path) -> Edit:
        (was,) = [
            e for e in read_messages(source) if (e.topic, e.time_ns) == (topic, get_time_ns(topic))
        ]
        window = slice(6, 42), slice(25, 43)

        def change(each: ReadMessage) -> ReadMessage:
            if topic == BAYER_TOPIC:
                return edit_fields(each, lambda message: paste(message, was))
            image = decode_shown_image(each)
            image[window] = decode_shown_image(was)[window]
            return replace_image(each, image)

        def paste(message: Any, was: ReadMessage) -> None:
            data = np.array(message.data).reshape(48, 64)
            before = np.frombuffer(was.data[-48 * 64 :], np.uint8).reshape(48, 64)
            data[window] = before[window]
            message.data = data.reshape(-1)

        return change_message(topic, 2, change)

    return planted


def change_pixel(topic: str) -> Callable[[Path], Edit]:
    """One that nobody stood near: of a raw image one level, of a JPEG what compression keeps."""

    def change(each: ReadMessage) -> ReadMessage:
        if topic == JPEG_TOPIC:
            image = decode_shown_image(each)
            image[0:8, 52:60] += 9
            return replace_image(each, image)
        first = {RAW_TOPIC: -48 * (64 * 3 + 5), BAYER_TOPIC: -48 * 64}[topic]
        return each._replace(
            data=each.data[:first] + bytes([each.data[first] ^ 1]) + each.data[first + 1 :]
        )

    return lambda _: change_message(topic, 2, change)


def change_field(topic: str, change: Callable[[Any], None]) -> Callable[[Path], Edit]:
    return lambda _: change_message(topic, 2, lambda each: edit_fields(each, change))


def change_stamp(message: Any) -> None:
    message.header.stamp.nanosec += 1


def change_frame_id(message: Any) -> None:
    message.header.frame_id = "other"


def insert_message(messages: list[ReadMessage]) -> list[ReadMessage]:
    index = [e.topic for e in messages].index(CUSTOM_TOPIC)
    return [*messages[:5], messages[index]._replace(time_ns=START_NS + 5), *messages[5:]]


def flip_bit(each: ReadMessage) -> ReadMessage:
    return each._replace(data=each.data[:30] + bytes([each.data[30] ^ 4]) + each.data[31:])


DEFECTS: dict[str, tuple[Callable[[Path], Edit], str, int, str]] = {
    **{
        f"original {topic}": (
            restore_image(topic),
            topic,
            get_time_ns(topic),
            "is that of the input, with 3",
        )
        for topic in IMAGE_TOPICS
    },
    **{
        f"person of {topic}": (restore_person(topic), topic, get_time_ns(topic), "the person at 2")
        for topic in IMAGE_TOPICS
    },
    **{
        f"pixel of {topic}": (change_pixel(topic), topic, get_time_ns(topic), "outside the mask")
        for topic in IMAGE_TOPICS
    },
    **{
        f"log time of {topic}": (
            lambda _, topic=topic: change_message(  # type: ignore[misc]  # mypy knows no default here
                topic, 2, lambda each: each._replace(time_ns=each.time_ns + 1)
            ),
            topic,
            get_time_ns(topic) + 1,
            f"the input has {get_time_ns(topic)} ns as log time",
        )
        for topic in (RAW_TOPIC, CAMERA_INFO_TOPIC)
    },
    "stamp": (
        change_field(JPEG_TOPIC, change_stamp),
        JPEG_TOPIC,
        get_time_ns(JPEG_TOPIC),
        "header.stamp.nanosec 14 became 15",
    ),
    "frame_id": (
        change_field(BAYER_TOPIC, change_frame_id),
        BAYER_TOPIC,
        get_time_ns(BAYER_TOPIC),
        "'rear' became 'other'",
    ),
    "byte": (
        lambda _: change_message(CAMERA_INFO_TOPIC, 2, flip_bit),
        CAMERA_INFO_TOPIC,
        get_time_ns(CAMERA_INFO_TOPIC),
        "bytes differ",
    ),
    "missing": (
        lambda _: change_message(CAMERA_INFO_TOPIC, 2, lambda _: None),
        CAMERA_INFO_TOPIC,
        get_time_ns(CAMERA_INFO_TOPIC),
        "is missing",
    ),
    "missing image": (
        lambda _: change_message(RAW_TOPIC, 2, lambda _: None),
        RAW_TOPIC,
        get_time_ns(RAW_TOPIC),
        "is missing",
    ),
    "last": (
        lambda _: change_message(CUSTOM_TOPIC, -1, lambda _: None),
        CUSTOM_TOPIC,
        get_time_ns(CUSTOM_TOPIC, 5) + 20,
        "is missing",
    ),
    "more": (lambda _: insert_message, CUSTOM_TOPIC, START_NS + 5, "the input has no such message"),
    "not decoded": (
        change_field(JPEG_TOPIC, lambda message: setattr(message, "data", message.data[:99])),
        JPEG_TOPIC,
        get_time_ns(JPEG_TOPIC),
        "cannot be decoded",
    ),
}


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("defect", DEFECTS)
def test_verify_names_planted_defect(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    storage: str,
    defect: str,
) -> None:
    make, topic, time_ns, words = DEFECTS[defect]
    source, clean = make_anonymized_bag(storage)
    output = copy_output(clean, tmp_path)
    rewrite_bag(output, make(source))
    assert run_verify(source, output) == 2
    told = read_findings(capsys, "broken")
    # The place alone, but for totals: nothing behind it is taken for wrong.
    assert [t for t in told if " at " in t and words in t], told
    assert {t.partition(": ")[0] for t in told if " at " in t} == {f"{topic} at {time_ns} ns"}


def test_page_never_shows_input_image(
    tmp_path: Path, make_anonymized_bag: Any, run_verify: RunCommand
) -> None:
    source, clean = make_anonymized_bag("mcap")
    output = copy_output(clean, tmp_path)
    rewrite_bag(output, restore_image(RAW_TOPIC)(source))
    assert run_verify(source, output) == 2
    page = (output / "review.html").read_text()
    assert page.count("<figure>") == 17
    assert f"{get_time_ns(RAW_TOPIC)} ns: the image is that of the input" in page


@pytest.mark.parametrize("storage", STORAGES)
def test_verify_names_missing_topic(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    storage: str,
) -> None:
    source, clean = make_anonymized_bag(storage)
    output = copy_output(clean, tmp_path)
    rewrite_bag(output, lambda messages: messages, without=LATCHED_TOPIC)
    assert run_verify(source, output) == 2
    told = read_findings(capsys, "broken")
    assert any(
        t.startswith(f"{LATCHED_TOPIC}: the topic of type std_msgs/msg/String is") for t in told
    )
    assert {t.partition(": ")[0] for t in told} == {LATCHED_TOPIC}


def test_verify_names_truncated_output(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, clean = make_anonymized_bag("mcap")
    output = copy_output(clean, tmp_path)
    (file,) = output.glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert run_verify(source, output) == 2
    assert any("is damaged: " in line for line in read_findings(capsys, "broken"))
    source, clean = make_anonymized_bag("sqlite3")
    output = Path(shutil.copytree(clean, tmp_path / "other"))
    (file,) = output.glob("*.db3")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert run_verify(source, output) == 2
    (output / "metadata.yaml").unlink()
    file.write_bytes((clean / file.name).read_bytes())
    assert run_verify(source, output) == 2
    assert any("metadata.yaml is missing" in line for line in read_findings(capsys, "broken"))


def test_verify_compares_metadata(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, clean = make_anonymized_bag("sqlite3")
    output = copy_output(clean, tmp_path)
    with sqlite3.connect(output / "in.db3") as database:
        database.execute(
            "UPDATE topics SET offered_qos_profiles = '[]' WHERE name = ?", (IMU_TOPIC,)
        )
        database.execute(
            "UPDATE topics SET type_description_hash = 'x' WHERE name = ?", (RAW_TOPIC,)
        )
        database.execute(
            "UPDATE message_definitions SET encoded_message_definition = 'int8 a' "
            "WHERE topic_type LIKE 'strange%'"
        )
    path = output / "metadata.yaml"
    found = yaml.safe_load(path.read_text())
    topics = found["rosbag2_bagfile_information"]["topics_with_message_count"]
    (entry,) = [each for each in topics if each["topic_metadata"]["name"] == JPEG_TOPIC]
    entry["message_count"] = 7
    entry["topic_metadata"]["offered_qos_profiles"] = []
    path.write_text(yaml.safe_dump(found))
    assert run_verify(source, output) == 2
    starts = [
        f"{IMU_TOPIC}: qos differs",
        f"{RAW_TOPIC}: type hash differs",
        f"{CUSTOM_TOPIC}: definition differs",
        f"{JPEG_TOPIC}: metadata.yaml has 7 messages, the output 6",
        f"{JPEG_TOPIC}: metadata.yaml has other QoS profiles",
    ]
    told = read_findings(capsys, "broken")
    for start in starts:
        assert any(line.startswith(start) for line in told), start


def test_verify_compares_mcap_fields(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_mcap(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    assert run_bag(source, output) == 0
    rewrite_bag(
        output, change_message(IMU_TOPIC, 0, lambda each: each._replace(extra=(1, each.extra[1])))
    )
    rewrite_bag(
        output,
        change_message(CUSTOM_TOPIC, 2, lambda each: each._replace(extra=(each.extra[0], 9))),
    )
    data = output.read_bytes()
    assert data.count(b"calibration.yaml") > 1
    output.write_bytes(data.replace(b"nobody", b"mister"))
    assert run_verify(source, output) == 2
    told = read_findings(capsys, "broken")
    assert (
        told[0] == f"{IMU_TOPIC} at {START_NS + 10} ns: publish_time_ns {START_NS - 323} became 1"
    )
    assert told[1].startswith(f"{CUSTOM_TOPIC} at {get_time_ns(CUSTOM_TOPIC) + 20} ns: sequence ")
    assert told[2:] == [
        "metadata trip: is missing in the output, or changed",
        "metadata trip: is in the output, but not so in the input",
    ]


def test_verify_names_mismatched_masks(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, clean = make_anonymized_bag("mcap")
    output = copy_output(clean, tmp_path)
    large = cv2.imencode(".png", np.full((99, 64), 255, np.uint8))[1].tobytes()
    with sqlite3.connect(output / "masks.db") as database:
        update = "UPDATE frames SET mask = ? WHERE topic = ? AND log_time_ns = ?"
        database.execute(update, (large, RAW_TOPIC, get_time_ns(RAW_TOPIC)))
        database.execute(update, (None, JPEG_TOPIC, get_time_ns(JPEG_TOPIC)))
        database.execute("DELETE FROM frames WHERE number = 17")
    assert run_verify(source, output) == 2
    told = read_findings(capsys, "broken")
    place = f"{RAW_TOPIC} at {get_time_ns(RAW_TOPIC)} ns"
    assert f"{place}: masks.db: the mask is 64 x 99 px, not 64 x 48 px" in told
    start = f"{JPEG_TOPIC} at {get_time_ns(JPEG_TOPIC)} ns: the person at"
    assert any(t.startswith(start) and "no pixel in the mask" in t for t in told)
    assert any(
        t.startswith(f"{BAYER_TOPIC} at {get_time_ns(BAYER_TOPIC, 5)} ns: masks.db ends")
        for t in told
    )


def test_verify_finds_input_images(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    assert run_bag(source, output, "--no-masks") == 0
    rewrite_bag(output, restore_image(RAW_TOPIC)(source))
    assert run_verify(source, output, "--no-second-look") == 2
    (told,) = read_findings(capsys, "broken")
    assert told.endswith("1 images are those of the input, but in only 0 was nobody found")


def test_verify_images_without_persons(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand
) -> None:
    empty = np.full((48, 64, 3), 90, np.uint8)
    messages = [
        each._replace(message=make_jpeg_image(empty, index)) if each.topic == JPEG_TOPIC else each
        for index, each in enumerate(generate_messages())
    ]
    source, output = write_rosbag2(tmp_path / "in", messages=messages), tmp_path / "out"
    assert run_bag(source, output) == 0
    assert run_verify(source, output) == 0
    rewrite_bag(
        output,
        change_message(JPEG_TOPIC, 1, lambda each: replace_image(each, make_street_image(64, 48))),
    )
    assert run_verify(source, output) == 2


@pytest.mark.parametrize("quality", [40, 75, 100])
def test_verify_accepts_any_jpeg_quality(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, quality: int, bus_rgb: RgbImage
) -> None:
    """A busy picture, in which compression changes much."""
    image = np.repeat(bus_rgb[..., 1:2], 3, axis=2)
    image[300:700, 200:330] = (0, 255, 0)
    messages = [
        BagMessage(
            JPEG_TOPIC,
            "sensor_msgs/msg/CompressedImage",
            START_NS + index,
            make_jpeg_image(image, index),
        )
        for index in range(2)
    ]
    source, output = write_rosbag2(tmp_path / "in", messages=messages), tmp_path / "out"
    assert run_bag(source, output, "--output.jpeg_quality", quality) == 0
    assert run_verify(source, output, "--no-second-look") == 0


class FixedPlaceSegmenter(SentinelSegmenter):
    """Finds somebody at the same place in every image: colours are not seen in all encodings."""

    def segment(self, image: RgbImage) -> Detections:
        mask = np.zeros((1, *image.shape[:2]), np.bool_)
        mask[:, 10:40, 20:41] = True
        box = np.array([[20, 10, 41, 40]], np.float32)
        return Detections(box, np.ones(1, np.float32), np.zeros(1, np.int64), mask)


def encode_scene(encoding: str, index: int) -> BagMessage:
    """A busy picture in an encoding, with 16 bits of which 12 are used."""
    image = np.random.default_rng(index).integers(0, 255, (12, 16, 3), np.uint8)
    image = np.asarray(cv2.resize(image, (64, 48), interpolation=cv2.INTER_LINEAR), np.uint8)
    message: Any = make_jpeg_image(image, index)
    if encoding in {"png", "png 16", "grey jpeg"}:
        grey = image[..., 0]
        samples = {"png": np.dstack([image, grey]), "png 16": grey * np.uint16(16)}
        suffix = ".jpg" if encoding == "grey jpeg" else ".png"
        message.data = cv2.imencode(suffix, samples.get(encoding, grey))[1].reshape(-1)
        return BagMessage(JPEG_TOPIC, "sensor_msgs/msg/CompressedImage", START_NS + index, message)
    bigendian, step = encoding == "mono16", 64 * 8
    empty = np.zeros(144 * step, np.uint8)
    empty[: 48 * step] = np.tile(np.array([15, 255], np.uint8), 24 * step)  # white of 12 bits
    blank = RawImage(48, 64, encoding, bigendian, step, empty)
    data = encode_raw(blank, image, np.ones((48, 64), np.bool_))
    message = make_raw_image(image, index)
    message.encoding, message.step, message.is_bigendian = encoding, step, int(bigendian)
    message.data = np.frombuffer(data, np.uint8)
    return BagMessage(RAW_TOPIC, "sensor_msgs/msg/Image", START_NS + index, message)


@pytest.mark.parametrize(
    "encoding",
    [
        *("rgb8", "bgra8", "mono8", "mono16", "rgba16", "bayer_grbg16", "yuv422", "nv12", "nv24"),
        *("png", "png 16", "grey jpeg"),
    ],
)
@pytest.mark.parametrize("kind", ["fill", "pixelate"])
def test_verify_accepts_each_encoding(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    sentinel_models: SentinelModelProvider,
    capsys: pytest.CaptureFixture[str],
    encoding: str,
    kind: str,
) -> None:
    sentinel_models.segmenter = FixedPlaceSegmenter()
    messages = [encode_scene(encoding, index) for index in range(2)]
    source, output = write_rosbag2(tmp_path / "in", messages=messages), tmp_path / "out"
    small = ("--inpaint.method", kind, "--inpaint.min_person_px", 1)
    assert run_bag(source, output, *small) == 0
    assert run_verify(source, output, "--no-second-look") == 0, capsys.readouterr().out
    before = read_messages(source)
    rewrite_bag(
        output,
        change_message(messages[1].topic, 1, lambda each: each._replace(data=before[1].data)),
    )
    assert run_verify(source, output, "--no-second-look") == 2
    (told,) = read_findings(capsys, "broken")
    assert told.endswith(f"at {START_NS + 1} ns: the image is that of the input, with 1 persons")


def test_verify_accepts_dark_person(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand
) -> None:
    """What the surroundings are filled with looks as the person did; that is no defect."""
    image = np.full((48, 64, 3), 2, np.uint8)
    image[10:40, 20:40] = (2, 4, 2)
    messages = [each for each in generate_messages() if each.topic == RAW_TOPIC]
    for each in messages:
        rows = each.message.data.reshape(48, -1)
        rows[:, : 64 * 3] = image[..., ::-1].reshape(48, -1)

    class Seeing(SentinelSegmenter):
        def segment(self, image: RgbImage) -> Detections:
            return super().segment(np.where(image[..., 1:2] > 3, (0, 255, 0), image))

    source, output = write_rosbag2(tmp_path / "in", messages=messages), tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        models = SentinelModelProvider(segmenter=Seeing())
        patch.setattr("anon_ros.cli.bag.build_tracking_anonymizer", models.anonymizer)
        assert run_bag(source, output) == 0
    assert json.loads((output / "report.json").read_text())["persons_per_frame"] == {"1": 6}
    assert run_verify(source, output) == 0
    rewrite_bag(output, restore_image(RAW_TOPIC)(source))
    assert run_verify(source, output) == 2


# What cannot be compared.


def test_verify_rejects_unusable_inputs(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    make_anonymized_bag: Any,
) -> None:
    source = write_rosbag1(tmp_path / "in.bag")
    assert run_bag(source, tmp_path / "out") == 0
    assert run_verify(source, tmp_path / "out") == 2
    assert "anonymize to a .bag and verify that" in capsys.readouterr().err
    one, other = make_anonymized_bag("mcap")
    assert run_verify(one, one) == 2
    assert "report.json is missing" in capsys.readouterr().err
    assert run_verify(one, tmp_path / "none") == 2
    assert "does not exist" in capsys.readouterr().err
    assert run_verify(one, other, "--review", tmp_path / "none" / "page.html") == 2
    assert "--review: the folder" in capsys.readouterr().err
    output = copy_output(other, tmp_path / "copies")
    (output / "masks.db").write_bytes(b"SQLite format 3\0 no more")
    assert run_verify(one, output) == 2
    (output / "report.json").write_text("{}")
    assert run_verify(one, output) == 2
    assert "report.json cannot be understood" in capsys.readouterr().err


def test_verify_rejects_other_bag(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    messages = [e._replace(time_ns=e.time_ns + 5) for e in generate_messages(frames=3)]
    messages.append(messages[0]._replace(topic="/strange"))
    other = write_rosbag2(tmp_path / "in", messages=messages)
    assert run_verify(other, make_anonymized_bag("mcap")[1]) == 2
    told = read_findings(capsys, "broken")
    assert any(t.startswith("/strange: of type std_msgs/msg/String is in the input") for t in told)
    assert any("masks.db has" in t for t in told)
    assert told[-1] == "... and 33 more" or told[-1].startswith("... and ")


def test_redetection_uses_its_flags(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = []

    def build(config: Any) -> SentinelSegmenter:
        taken.append(config.detect)
        return SentinelSegmenter()

    monkeypatch.setattr(verify, "build_segmenter", build)
    source, output = make_anonymized_bag("mcap")
    page = ("--review", tmp_path / "page.html")
    assert run_verify(source, output, *page) == 0
    assert (
        run_verify(source, output, *page, "--detect.weights", "a.pt", "--detect.confidence", 0.1)
        == 0
    )
    assert [(d.weights, d.inference_px, d.confidence) for d in taken] == [
        ("yolov8x-seg.pt", 960, 0.25),
        ("a.pt", 960, 0.1),
    ]


def test_mirrored_boxes_match_persons(bus_rgb: RgbImage, demo_weights: Path) -> None:
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
