"""First messages of many channels: one pass over a file, in every storage."""

from collections.abc import Callable
from pathlib import Path

import mcap.writer
import pytest

from anon_ros.bags import open_bag
from anon_ros.bags.plan.decisions import TopicAction, TopicRules
from anon_ros.bags.plan.inspect import inspect_bag
from anon_ros.bags.storage.records import MAX_TIME_NS, DamageLog, Message
from helpers.bags import ROS2_TYPES, make_raw_image, write_mcap, write_rosbag1, write_rosbag2
from helpers.fake_models import make_street_image

WRITERS: dict[str, Callable[[Path], Path]] = {
    "mcap": lambda path: write_mcap(path / "in.mcap"),
    "mcap without index": lambda path: write_mcap(
        path / "in.mcap", index_types=mcap.writer.IndexType.NONE
    ),
    "sqlite3": lambda path: write_rosbag2(path / "in", "sqlite3"),
    "rosbag1": lambda path: write_rosbag1(path / "in.bag"),
}


@pytest.mark.parametrize("storage", WRITERS)
@pytest.mark.parametrize("count", [1, 4, 99])
def test_samples_are_first_messages(tmp_path: Path, storage: str, count: int) -> None:
    bag = open_bag(WRITERS[storage](tmp_path))
    with bag.open_in(tmp_path, bag.files[0], DamageLog()) as reader:
        samples: dict[int, list[bytes]] = {channel.id: [] for channel in reader.channels}
        for number, data in reader.iter_samples(reader.channels, count):
            samples[number].append(data)
        expected: dict[int, list[bytes]] = {channel.id: [] for channel in reader.channels}
        for record in reader.records(DamageLog(), 0, MAX_TIME_NS):
            if isinstance(record, Message):
                expected[record.channel.id].append(bytes(record.data))
        assert samples == {number: data[:count] for number, data in expected.items()}


def write_many(path: Path, num_channels: int) -> Path:
    """Write an MCAP file of many cameras and no index."""
    image = ROS2_TYPES.serialize_cdr(
        make_raw_image(make_street_image(32, 24), 0), "sensor_msgs/msg/Image"
    )
    options = {"index_types": mcap.writer.IndexType.NONE, "use_statistics": False}
    with path.open("wb") as stream:
        writer = mcap.writer.Writer(stream, chunk_size=100_000, repeat_channels=False, **options)
        writer.start("ros2", "test")
        text = ROS2_TYPES.generate_msgdef("sensor_msgs/msg/Image", ros_version=2)[0]
        schema = writer.register_schema("sensor_msgs/msg/Image", "ros2msg", text.encode())
        for number in range(num_channels):
            channel = writer.register_channel(f"/camera_{number}/image", "cdr", schema)
            writer.add_message(channel, number, bytes(image), number)
        writer.finish()
    return path


def count_read_bytes() -> int:
    """Return what this process has read from files so far (proc_pid_io(5))."""
    return int(Path("/proc/self/io").read_text(encoding="ascii").split()[1])


def test_many_channels_without_index_take_few_passes(tmp_path: Path) -> None:
    """With a pass for each channel, ten times the channels took a hundred times as long."""
    num_channels = 1000
    path = write_many(tmp_path / "in.mcap", num_channels)
    before = count_read_bytes()
    plan = inspect_bag(open_bag(path), TopicRules(), 0, 0, salvage=False, scratch=tmp_path)
    assert count_read_bytes() - before < 20 * path.stat().st_size
    actions = [decision.action for decision in plan.topics.decisions]
    assert actions == [TopicAction.ANONYMIZE] * num_channels
