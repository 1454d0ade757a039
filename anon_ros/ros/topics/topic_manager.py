"""Discovery of the configured topics, and lazy subscription to them."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CompressedImage

from anon_ros.config import (
    Config,
    configure_camera,
    is_topic_pattern,
    list_prefixes,
    mirrored_topic,
    topic_matches,
)
from anon_ros.errors import ConfigError, format_error
from anon_ros.images import IMAGE_TYPES
from anon_ros.live import OutputGate
from anon_ros.ros.topics.camera_info import CameraInfoMirror
from anon_ros.ros.topics.image_messages import ImageMessage
from anon_ros.ros.topics.image_publisher import compressed_topic
from anon_ros.ros.topics.image_stream import MESSAGE_TYPES, ImageStream
from anon_ros.ros.topics.leak_guard import LeakGuard
from anon_ros.ros.topics.prefix_guard import PrefixGuard
from anon_ros.ros.topics.topic_names import (
    PACKED_TRANSPORTS,
    camera_info_topic,
    is_valid_topic,
    resolve_pattern,
)
from anon_ros.ros.topics.topic_relay import TopicRelay
from anon_ros.ros.topics.unsupported_topics import UnsupportedTopics
from anon_ros.utils.text import escape_controls

_PACKED_ENDS = tuple(f"/{transport}" for transport in PACKED_TRANSPORTS)
_THROTTLE_S = 10.0
_FORGET_AFTER_S = 10.0
_MAX_LOGGED = 1000


class TopicManager:
    """Topics of a configuration. Only the executor's thread may use it, except for ``get``.

    Args:
        node: owner of subscriptions and publishers.
        config: topics and QoS.

    Raises:
        ConfigError: if a name is not valid, or a mirrored topic would be a camera's.

    Attributes:
        leak_guard: watch over the subscribers of the original images.
        prefix_guard: watch over other publishers below the prefix.
        missing_publishers: configured topics without a publisher.
        not_mirrored: topics that are named or match, but are not mirrored, with the reason.
    """

    def __init__(self, node: Node, config: Config) -> None:
        self._node = node
        self._config = config
        self._open: dict[str, ImageStream] = {}
        self._infos: dict[str, CameraInfoMirror] = {}
        self._relays: dict[str, TopicRelay] = {}
        self._logged: set[str] = set()
        self._unused_since_s: dict[str, float] = {}
        self._on_image: Callable[[str, ImageMessage], None] | None = None
        self._gate = OutputGate()
        own_name = str(node.get_fully_qualified_name())
        images = config.topics.images
        self._names = self._resolve(images)
        self._patterns = [
            resolve_pattern(name, own_name) for name in images if is_topic_pattern(name)
        ]
        self._passthrough = [resolve_pattern(name, own_name) for name in config.topics.passthrough]
        trusted = [resolve_pattern(name, own_name) for name in config.topics.trusted_subscribers]
        self.leak_guard = LeakGuard(node, [own_name, *trusted])
        trusted = [resolve_pattern(name, own_name) for name in config.topics.trusted_publishers]
        prefixes = list_prefixes(config, node.get_namespace())
        self.prefix_guard = PrefixGuard(node, prefixes, trusted)
        self.missing_publishers: list[str] = []
        self.not_mirrored: dict[str, str] = {}
        self._unsupported = UnsupportedTopics()
        self._graph: set[object] = set()

    def __iter__(self) -> Iterator[ImageStream]:
        return iter(list(self._open.values()))

    def get(self, name: str) -> ImageStream | None:
        """Return the open stream of a topic, None without one. Any thread may call it."""
        return self._open.get(name)

    def refuse(self, name: str, reason: str) -> None:
        """Close a topic until another publisher appears. Any thread may call it."""
        self._unsupported.pending[name] = reason

    def open(self, on_image: Callable[[str, ImageMessage], None], gate: OutputGate) -> None:
        """Start to discover and subscribe.

        Args:
            on_image: called with topic name and image.
            gate: passed by every relayed message.
        """
        self._on_image = on_image
        self._gate = gate
        self.discover()

    def close(self) -> None:
        """Remove all subscriptions and publishers."""
        self._on_image = None
        opened: list[ImageStream | CameraInfoMirror | TopicRelay] = [
            *self._open.values(),
            *self._infos.values(),
            *self._relays.values(),
        ]
        for topic in opened:
            topic.close()
        self._open, self._infos, self._relays = {}, {}, {}
        self._unsupported = UnsupportedTopics()
        self.leak_guard.clear()
        self.prefix_guard.clear()

    def has_graph_changed(self) -> bool:
        """Return True if topics, or publishers of ours, have come or gone since the last call.

        Cheaper than discovery, and so asked more often.
        """
        watched = {*self._names, *self._mirrored_topics}
        graph: set[object] = {(name, self._node.count_publishers(name)) for name in watched}
        # Nothing that a peer advertises ends the node; discovery logs it.
        with suppress(Exception):
            topics = self._node.get_topic_names_and_types()
            graph |= {(name, *types) for name, types in topics}
        has_changed, self._graph = graph != self._graph, graph
        return has_changed

    def discover(self) -> None:
        """Open topics with a publisher, reopen those with another type, and watch for leaks."""
        if self._on_image is None:
            return
        self._attempt("discovery", self._discover)  # nothing that a peer advertises ends the node

    def _discover(self) -> None:
        wrong: dict[str, str] = {}
        refused: list[str] = []
        self.missing_publishers = []
        self._close_unused()
        self._close_unsupported()
        images = self._find_image_topics()
        for name, topic in images.items():
            self._attempt(name, partial(self._discover_image, name, topic, wrong, refused))
        for infos in self._infos.values():
            self._attempt(infos.topic, infos.update_durability)
        for name in self._list_topics(self._passthrough):
            if name not in {*self._relays, *self._passthrough} and self._is_full:
                refused.append(name)
            else:
                self._attempt(name, partial(self._open_relay, name))
        self._pair_streams(images)
        self.leak_guard.update(self._open)
        self.prefix_guard.update(self._mirrored_topics)
        self.update_subscriptions()
        self._warn(self.missing_publishers, wrong)
        self._warn_of_limit(refused)
        self.not_mirrored = self._unsupported.reasons | wrong
        self.not_mirrored |= dict.fromkeys(refused, "beyond topics.max_mirrored")

    def _discover_image(
        self, name: str, topic: str, wrong: dict[str, str], refused: list[str]
    ) -> None:
        """Open a topic, or note that it has no publisher, another type or no room."""
        # Only of publishers: a subscriber may have asked for the wrong type.
        publishers = self._node.get_publishers_info_by_topic(name)
        types = sorted({publisher.topic_type for publisher in publishers})
        if not types:
            if name in self._names or name in self._open:
                self.missing_publishers.append(name)
        elif len(types) > 1 or types[0] not in MESSAGE_TYPES:
            wrong[name] = ", ".join(types)
        elif self._unsupported.is_closed(name, publishers):
            pass
        elif name not in self._open and name not in self._names and self._is_full:
            refused.append(name)
        elif name not in self._open or self._open[name].type_name != types[0]:
            self._reopen(name, topic, publishers)

    def _pair_streams(self, images: Collection[str]) -> None:
        """Let raw image topics know their compressed ones, or offer JPEG without one.

        Args:
            images: all topics to anonymize.
        """
        for stream in self._open.values():
            partner = self._open.get(compressed_topic(stream.name))
            is_pair = partner is not None and stream.is_raw and not partner.is_raw
            stream.compressed = partner if is_pair else None
            topic = compressed_topic(stream.mirrored_topic)
            if stream.wants_jpegs and topic in images:
                self._log_once(f"{stream.name}: no JPEG beside it: {topic} is a camera's")
            wanted = stream.wants_jpegs and topic not in images
            self._attempt(stream.name, partial(stream.offer_jpegs, wanted=wanted))

    def _choose_feeders(self, streams: Sequence[ImageStream], wanted: set[str]) -> set[str]:
        """Return ``wanted`` without the compressed topics of raw images that are wanted, too."""
        feeders = {
            stream.compressed.name: stream.name
            for stream in streams
            if stream.compressed is not None
            and wanted >= {stream.name, stream.compressed.name}
            and stream.name not in self.missing_publishers
        }
        for stream in streams:
            stream.feeder = feeders.get(stream.name, "")
        return wanted - feeders.keys()

    def update_subscriptions(self) -> None:
        """Subscribe to the topics whose mirrored topics have subscribers, and only to those."""
        if self._on_image is None:
            return
        lazy = self._config.topics.lazy
        for infos in self._infos.values():
            streams = [stream for stream in self._open.values() if stream.infos is infos]
            wanted = {stream.name for stream in streams if not lazy or stream.num_subscribers}
            if not wanted and streams and infos.publisher.get_subscription_count():
                # Infos are published with an image; a single image topic of the camera is enough.
                wanted = {streams[0].name}
            wanted = self._choose_feeders(streams, wanted)
            for stream in streams:
                self._attempt(
                    stream.name, partial(stream.set_subscribed, wanted=stream.name in wanted)
                )
            self._attempt(infos.topic, partial(infos.set_subscribed, wanted=bool(wanted)))
        for name, relay in self._relays.items():
            self._attempt(name, partial(relay.update_subscription, lazy=lazy))

    @property
    def _mirrored_topics(self) -> set[str]:
        """The topics that this node publishes in place of others."""
        publishers = [infos.publisher for infos in self._infos.values()]
        names = {name for stream in self._open.values() for name in stream.published_topics}
        names |= {str(publisher.topic_name) for publisher in publishers}
        return names | {relay.mirrored_topic for relay in self._relays.values()}

    @property
    def _is_full(self) -> bool:
        """True if patterns may open no further topic."""
        return len(self._found_by_patterns) >= self._config.topics.max_mirrored

    @property
    def _found_by_patterns(self) -> dict[str, ImageStream | TopicRelay]:
        topics: dict[str, ImageStream | TopicRelay] = {**self._open, **self._relays}
        named = {*self._names, *self._passthrough}
        return {name: topic for name, topic in topics.items() if name not in named}

    def _close_unused(self) -> None:
        """Close the topics that patterns found, once they have been gone for long."""
        now_s = time.monotonic()
        unused = {
            name
            for name, topic in self._found_by_patterns.items()
            if not topic.num_subscribers and not self._node.count_publishers(name)
        }
        self._unused_since_s = {n: self._unused_since_s.get(n, now_s) for n in unused}
        for name in unused:
            if now_s - self._unused_since_s[name] > _FORGET_AFTER_S:
                self._close(name)

    def _close_unsupported(self) -> None:
        self._unsupported.retain(self._node.count_publishers)
        for name, reason in self._unsupported.take_pending():
            publishers = self._node.get_publishers_info_by_topic(name)
            if name in self._open and publishers:
                self._close(name)
                self._unsupported.close(name, reason, publishers)
                self._node.get_logger().error(f"{name}: closed, not mirrored: {reason}")

    def _close(self, name: str) -> None:
        """Close an image topic, and the camera infos that only it had, or a relay."""
        if name in self._relays:
            self._relays.pop(name).close()
            return
        stream = self._open.pop(name)
        stream.close()
        if not any(remaining.infos is stream.infos for remaining in self._open.values()):
            self._infos.pop(stream.infos.topic).close()

    def _resolve(self, images: Sequence[str]) -> dict[str, str]:
        """Return the configured topics, without patterns, by fully qualified name."""
        plain = [name for name in images if not is_topic_pattern(name)]
        try:
            topics = {str(self._node.resolve_topic_name(name)): name for name in plain}
        except RuntimeError as error:  # raised by rclpy for a name that is not valid
            message = f"parameter topics.images: {', '.join(plain)}: {error}"
            raise ConfigError(message) from error
        # Remapping applies to mirrored topics too, and could move them onto a camera's topic.
        if clash := {self._resolve_mirrored(name) for name in topics} & topics.keys():
            message = (
                f"parameter topics.images: {', '.join(sorted(clash))} is the mirrored topic of "
                f"a topic in the list; leave it out, or do not remap it"
            )
            raise ConfigError(message)
        return topics

    def _resolve_mirrored(self, name: str) -> str:
        return str(self._node.resolve_topic_name(self._mirror(name)))

    def _mirror(self, name: str, camera: str = "") -> str:
        """Return the mirrored topic; of an image topic's camera_info below the same prefix."""
        prefix = configure_camera(self._config, camera or name).topics.prefix
        return mirrored_topic(name, prefix, self._node.get_namespace())

    def _find_image_topics(self) -> dict[str, str]:
        """Return the topics to anonymize: fully qualified name to the name for the subscription."""
        matches = self._list_topics(self._patterns, IMAGE_TYPES)
        pictures = [name for name in matches if not name.endswith(_PACKED_ENDS)]
        return {name: name for name in (*self._open, *pictures)} | self._names

    def _list_topics(self, patterns: Sequence[str], types: Sequence[str] = ()) -> list[str]:
        """Return the topics of the ROS graph that match, except those of this node."""
        if not patterns:
            return []
        namespace = self._node.get_namespace()
        below = tuple(f"{prefix}/" for prefix in list_prefixes(self._config, namespace))
        own = f"{self._node.get_fully_qualified_name()}/"
        ours = {name for stream in self._open.values() for name in stream.published_topics}
        names = [
            name
            for name, offered in self._node.get_topic_names_and_types()
            if (not types or set(offered) & set(types))
            and not name.startswith((*below, own))
            and name not in ours
            and any(topic_matches(name, pattern) for pattern in patterns)
        ]
        return list(filter(self._is_valid, names))

    def _is_valid(self, name: str) -> bool:
        if not is_valid_topic(name):
            self._log_once(f"{name}: left out: the name is not valid in ROS")
            return False
        return True

    def _reopen(self, name: str, topic: str, publishers: Sequence[TopicEndpointInfo]) -> None:
        mirrored = self._resolve_mirrored(name)
        if mirrored in self._find_image_topics():
            self._log_once(f"{name}: not anonymized: its mirrored topic {mirrored} is a camera's")
            return
        if clash := [s.name for s in self if s.mirrored_topic == mirrored and s.name != name]:
            problem = f"{mirrored} is the mirrored topic of {clash[0]}"
            self._log_once(f"{name}: not anonymized: {problem}")
            return
        for stream in self._open.values():
            if compressed_topic(stream.name) == name:
                stream.offer_jpegs(wanted=False)  # the new one publishes there
        if name in self._open:
            self._open.pop(name).close()
        assert self._on_image is not None  # noqa: S101 - narrows the type; discover() saw it
        infos = self._open_infos(name, publishers[0].topic_type)
        config = configure_camera(self._config, name)
        stream = ImageStream(self._node, topic, publishers, infos, config, self._on_image)
        self._open[name] = stream
        self._node.get_logger().info(f"{name} ({stream.type_name}) -> {stream.mirrored_topic}")

    def _open_infos(self, name: str, type_name: str) -> CameraInfoMirror:
        compressed = MESSAGE_TYPES[type_name] is CompressedImage
        topic = camera_info_topic(name, compressed=compressed)
        if topic not in self._infos:
            if topic in self._relays:  # it appeared before its camera
                self._relays.pop(topic).close()
            mirrored = self._mirror(topic, name)
            self._infos[topic] = CameraInfoMirror(self._node, topic, mirrored, self._gate)
        return self._infos[topic]

    def _open_relay(self, name: str) -> None:
        publishers = self._node.get_publishers_info_by_topic(name)
        types = {publisher.topic_type for publisher in publishers}
        if len(types) != 1 or name in self._open or name in self._infos:
            return
        if name in self._relays:
            if self._relays[name].type_name in types:
                return
            self._relays.pop(name).close()
        mirrored = self._resolve_mirrored(name)
        self._relays[name] = TopicRelay(self._node, name, mirrored, publishers, self._gate)

    def _attempt(self, name: str, work: Callable[[], None]) -> None:
        """Do ``work``; log a failure, which must not affect other topics."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - for example a wrong QoS override
            self._log_once(f"{name}: {format_error(error)}")

    def _log_once(self, problem: str) -> None:
        problem = escape_controls(problem)
        if problem not in self._logged:
            if len(self._logged) >= _MAX_LOGGED:
                self._logged.clear()  # peers can cause any number of them
            self._logged.add(problem)
            self._node.get_logger().error(problem)

    def _warn_of_limit(self, refused: Sequence[str]) -> None:
        if refused:
            name = escape_controls(refused[0])
            self._node.get_logger().error(
                f"{len(refused)} topics are not mirrored, {name} among them: "
                f"patterns have found {self._config.topics.max_mirrored} already; raise "
                "topics.max_mirrored",
                throttle_duration_sec=_THROTTLE_S,
            )

    def _warn(self, missing: Sequence[str], wrong: Mapping[str, str]) -> None:
        if missing:
            self._node.get_logger().warning(
                f"nobody publishes {', '.join(sorted(missing))}", throttle_duration_sec=_THROTTLE_S
            )
        if wrong:
            topics = ", ".join(f"{name} ({types})" for name, types in wrong.items())
            self._node.get_logger().error(
                f"not anonymized, not {' or '.join(IMAGE_TYPES)}: {escape_controls(topics)}",
                throttle_duration_sec=_THROTTLE_S,
            )
