"""Changing a recording that is finished, by other people's writers."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import mcap.reader
import mcap.writer
import numpy as np
import pytest
from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag1 import Writer as Ros1Writer

from anon_ros.core import RgbImage
from helpers.bag_reading import ReadMessage, decode_image, deserialize, read_messages
from helpers.bags import IMAGE_TOPICS, JPEG_TOPIC, ROS1_TYPES, ROS2_TYPES, START_NS, STEP_NS

Edit: TypeAlias = Callable[[list[ReadMessage]], list[ReadMessage]]


def rewrite_bag(output: Path, edit: Edit, without: str = "") -> None:
    """Write the messages of ``output`` again as ``edit`` returns them, without one topic."""
    files = sorted(output.iterdir()) if output.is_dir() else [output]
    (file,) = [each for each in files if each.suffix in {".mcap", ".db3", ".bag"}]
    write = {".mcap": _rewrite_mcap, ".db3": _rewrite_sqlite3, ".bag": _rewrite_rosbag1}[
        file.suffix
    ]
    write(file, edit, without)


def change_message(
    topic: str, index: int, change: Callable[[ReadMessage], ReadMessage | None]
) -> Edit:
    """Changes the message ``index`` of a topic, or leaves it out."""

    def edit(messages: list[ReadMessage]) -> list[ReadMessage]:
        mine = [number for number, each in enumerate(messages) if each.topic == topic]
        made = change(messages[mine[index]])
        return [
            *messages[: mine[index]],
            *([made] if made else []),
            *messages[mine[index] + 1 :],
        ]

    return edit


def edit_fields(each: ReadMessage, change: Callable[[Any], None]) -> ReadMessage:
    """The message with other fields; ``change`` assigns to them."""
    is_ros1 = each.data[:4] != b"\0\1\0\0"
    message = deserialize(each, ros1=is_ros1)
    change(message)
    if is_ros1:
        return each._replace(data=bytes(ROS1_TYPES.serialize_ros1(message, each.type_name)))
    return each._replace(data=bytes(ROS2_TYPES.serialize_cdr(message, each.type_name)))


def replace_image(each: ReadMessage, image: RgbImage, quality: int = 95) -> ReadMessage:
    """A bgr8 or JPEG message that shows another image."""

    def paint(message: Any) -> None:
        if each.topic.endswith(JPEG_TOPIC):
            encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
            message.data = encoded[1].reshape(-1)
            return
        rows = np.array(message.data).reshape(message.height, message.step)
        rows[:, : message.width * 3] = image[..., ::-1].reshape(message.height, -1)
        message.data = rows.reshape(-1)

    return edit_fields(each, paint)


def decode_shown_image(each: ReadMessage) -> RgbImage:
    return np.array(decode_image(deserialize(each)))


def _rewrite_mcap(file: Path, edit: Edit, without: str) -> None:
    reader = mcap.reader.make_reader(file.open("rb"))
    found = list(reader.iter_messages(log_time_order=False))
    profile, summary = reader.get_header().profile, reader.get_summary()
    attachments, metadata = list(reader.iter_attachments()), list(reader.iter_metadata())
    messages = edit(
        [
            ReadMessage(c.topic, s.name, m.log_time, m.data, (m.publish_time, m.sequence))
            for s, c, m in found
        ]
    )
    with file.open("wb") as stream:
        writer = mcap.writer.Writer(stream)
        writer.start(profile, "somebody else")
        schemas = {
            number: writer.register_schema(s.name, s.encoding, s.data)
            for number, s in summary.schemas.items()
        }
        ids = {
            c.topic: writer.register_channel(
                c.topic, c.message_encoding, schemas[c.schema_id], c.metadata
            )
            for c in summary.channels.values()
            if c.topic != without
        }
        for each in messages:
            if each.topic != without:
                writer.add_message(ids[each.topic], each.time_ns, each.data, *each.extra)
        for one in attachments:
            writer.add_attachment(one.create_time, one.log_time, one.name, one.media_type, one.data)
        for one in metadata:
            writer.add_metadata(one.name, one.metadata)
        writer.finish()


def _rewrite_sqlite3(file: Path, edit: Edit, without: str) -> None:
    with sqlite3.connect(file) as database:
        ids = dict(database.execute("SELECT name, id FROM topics"))
        rows = database.execute(
            "SELECT name, type, timestamp, data FROM messages JOIN topics ON topic_id = topics.id "
            "ORDER BY messages.id"
        ).fetchall()
        database.execute("DELETE FROM messages")
        database.executemany(
            "INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)",
            [
                (ids[each.topic], each.time_ns, each.data)
                for each in edit([ReadMessage(*row) for row in rows])
                if each.topic != without
            ],
        )
        database.execute("DELETE FROM topics WHERE name = ?", (without,))


def _rewrite_rosbag1(file: Path, edit: Edit, without: str) -> None:
    with Ros1Reader(file) as reader:
        known = {c.topic: c for c in reader.connections if c.topic != without}
        found = [
            ReadMessage(c.topic, c.msgtype, t, bytes(data)) for c, t, data in reader.messages()
        ]
    file.unlink()
    with Ros1Writer(file) as writer:
        connections = {
            c.topic: writer.add_connection(
                c.topic,
                c.msgtype,
                msgdef=c.msgdef.data,
                md5sum=c.digest,
                callerid=c.ext.callerid,
                latching=c.ext.latching,
            )
            for c in known.values()
        }
        for each in edit(found):
            if each.topic != without:
                writer.write(connections[each.topic], each.time_ns, each.data)


RunCommand = Callable[..., int]


def copy_output(output: Path, folder: Path) -> Path:
    return Path(shutil.copytree(output, folder / "out"))


def get_time_ns(topic: str, index: int = 2) -> int:
    return START_NS + index * STEP_NS + (IMAGE_TOPICS.index(topic) if topic in IMAGE_TOPICS else 0)


def read_findings(capsys: pytest.CaptureFixture[str], kind: str) -> list[str]:
    told = capsys.readouterr().out.splitlines()
    return [line.removeprefix(f"{kind}: ") for line in told if line.startswith(f"{kind}: ")]


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
