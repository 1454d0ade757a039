"""All image topics that the configuration names: found, opened, followed, watched."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CompressedImage

from anon_ros.config import Config, is_topic_pattern, mirrored_topic, topic_matches
from anon_ros.errors import ConfigError, format_error
from anon_ros.images import IMAGE_TYPES
from anon_ros.live import OutputGate
from anon_ros.ros.camera_info import CameraInfoMirror
from anon_ros.ros.image_messages import ImageMessage
from anon_ros.ros.image_stream import MESSAGE_TYPES, ImageStream
from anon_ros.ros.topic_names import camera_info_topic, resolve_pattern
from anon_ros.ros.topic_relay import TopicRelay

_THROTTLE_S = 10.0
_RECORDER = "rosbag2_recorder"


class TopicManager:
    """The topics of a configuration. All of it belongs to the executor's thread, but ``get``.

    Args:
        node: owner of subscriptions and publishers.
        config: topics and QoS.

    Raises:
        ConfigError: if a name is none, or a mirrored topic would be a camera's.
    """

    def __init__(self, node: Node, config: Config) -> None:
        self._node = node
        self._config = config
        self._open: dict[str, ImageStream] = {}
        self._infos: dict[str, CameraInfoMirror] = {}
        self._forwards: dict[str, TopicRelay] = {}
        self._logged: set[str] = set()
        self._on_image: Callable[[str, ImageMessage], None] | None = None
        self._gate = OutputGate()
        own_name = str(node.get_fully_qualified_name())
        images, forward = config.topics.images, config.topics.passthrough
        self._names = self._resolve(images)
        self._patterns = [
            resolve_pattern(name, own_name) for name in images if is_topic_pattern(name)
        ]
        self._forward = [resolve_pattern(name, own_name) for name in forward]
        self._trusted = [
            own_name,
            *(resolve_pattern(name, own_name) for name in config.topics.trusted_subscribers),
        ]
        #: Topics that nobody publishes.
        self.missing_publishers: list[str] = []
        #: Of each open stream, the nodes that get the original images and are not trusted.
        self.untrusted_subscribers: dict[str, list[str]] = {}

    def __iter__(self) -> Iterator[ImageStream]:
        return iter(list(self._open.values()))

    def get(self, name: str) -> ImageStream | None:
        """The open stream of a topic. Any thread may ask."""
        return self._open.get(name)

    def open(self, on_image: Callable[[str, ImageMessage], None], gate: OutputGate) -> None:
        """Begin to follow the topics.

        Args:
            on_image: called with name and image of each.
            gate: that a forwarded message has to pass.
        """
        self._on_image = on_image
        self._gate = gate
        self.discover()

    def close(self) -> None:
        """Subscribe to nothing and publish nothing any more."""
        self._on_image = None
        opened: list[ImageStream | CameraInfoMirror | TopicRelay] = [
            *self._open.values(),
            *self._infos.values(),
            *self._forwards.values(),
        ]
        for each in opened:
            each.close()
        self._open, self._infos, self._forwards, self.untrusted_subscribers = {}, {}, {}, {}

    def discover(self) -> None:
        """Open what has a publisher, close what has got another type, and see who listens."""
        if self._on_image is None:
            return
        wrong = []
        self.missing_publishers = []
        for name, topic in self._candidates().items():
            # Of the publishers alone: a subscriber may have asked for the wrong type.
            publishers = self._node.get_publishers_info_by_topic(name)
            types = sorted({publisher.topic_type for publisher in publishers})
            if not types:
                if name in self._names or name in self._open:
                    self.missing_publishers.append(name)
            elif len(types) > 1 or types[0] not in MESSAGE_TYPES:
                wrong.append(f"{name} ({', '.join(types)})")
            elif name not in self._open or self._open[name].type_name != types[0]:
                self._attempt(name, partial(self._reopen, name, topic, publishers))
        for name in self._topics_matching(self._forward):
            self._attempt(name, partial(self._open_forward, name))
        self._find_watchers()
        self.update_subscriptions()
        self._warn(self.missing_publishers, wrong)

    def update_subscriptions(self) -> None:
        """Subscribe where somebody wants the mirrored topic, and only there."""
        if self._on_image is None:
            return
        lazy = self._config.topics.lazy
        for infos in self._infos.values():
            streams = [stream for stream in self._open.values() if stream.infos is infos]
            wanted = {stream.name for stream in streams if not lazy or stream.subscribers}
            if not wanted and streams and infos.publisher.get_subscription_count():
                # Infos leave with an image; one image topic of the camera is enough.
                wanted = {streams[0].name}
            for stream in streams:
                self._attempt(
                    stream.name, partial(stream.set_subscribed, wanted=stream.name in wanted)
                )
            self._attempt(infos.topic, partial(infos.listen, wanted=bool(wanted)))
        for name, forward in self._forwards.items():
            self._attempt(name, partial(forward.update_subscription, lazy=lazy))

    def _resolve(self, images: Sequence[str]) -> dict[str, str]:
        """The configured topics, without patterns, by fully qualified name."""
        plain = [name for name in images if not is_topic_pattern(name)]
        try:
            topics = {str(self._node.resolve_topic_name(name)): name for name in plain}
        except RuntimeError as error:  # what rclpy raises for a name that is none
            message = f"parameter topics.images: {', '.join(plain)}: {error}"
            raise ConfigError(message) from error
        # Remapping applies to them too, and could lead one onto a camera's topic.
        if clash := {self._mirrored(name) for name in topics} & topics.keys():
            message = (
                f"parameter topics.images: {', '.join(sorted(clash))} is the mirrored topic of "
                f"this or another one; leave it out, or do not remap it"
            )
            raise ConfigError(message)
        return topics

    def _mirrored(self, name: str) -> str:
        return str(self._node.resolve_topic_name(mirrored_topic(name, self._config.topics.prefix)))

    def _candidates(self) -> dict[str, str]:
        """The topics to anonymize by fully qualified name, as they are to be subscribed."""
        found = self._topics_matching(self._patterns, IMAGE_TYPES)
        return {name: name for name in (*self._open, *found)} | self._names

    def _topics_matching(self, patterns: Sequence[str], types: Sequence[str] = ()) -> list[str]:
        """Topics of the network that fit, without those that we publish ourselves."""
        if not patterns:
            return []
        below = mirrored_topic("/", self._config.topics.prefix)
        own = f"{self._node.get_fully_qualified_name()}/"
        ours = {stream.mirrored_topic for stream in self._open.values()}
        return [
            name
            for name, offered in self._node.get_topic_names_and_types()
            if (not types or set(offered) & set(types))
            and not name.startswith((below, own))
            and name not in ours
            and any(topic_matches(name, pattern) for pattern in patterns)
        ]

    def _reopen(self, name: str, topic: str, publishers: Sequence[TopicEndpointInfo]) -> None:
        mirrored = self._mirrored(name)
        if mirrored in self._candidates():
            self._log_once(f"{name}: not anonymized, its mirrored topic {mirrored} is a camera's")
            return
        if self._node.count_publishers(mirrored) > (name in self._open):
            self._log_once(f"{mirrored}: somebody else publishes it, too")
        if name in self._open:
            self._open.pop(name).close()
        assert self._on_image is not None  # noqa: S101 - narrows the type; discover() saw it
        infos = self._infos_of(name, publishers[0].topic_type)
        stream = ImageStream(self._node, topic, publishers, infos, self._config, self._on_image)
        self._open[name] = stream
        self._node.get_logger().info(f"{name} ({stream.type_name}) -> {stream.mirrored_topic}")

    def _infos_of(self, name: str, type_name: str) -> CameraInfoMirror:
        compressed = MESSAGE_TYPES[type_name] is CompressedImage
        topic = camera_info_topic(name, compressed=compressed)
        if topic not in self._infos:
            if topic in self._forwards:  # it was there before its camera
                self._forwards.pop(topic).close()
            mirrored = mirrored_topic(topic, self._config.topics.prefix)
            self._infos[topic] = CameraInfoMirror(self._node, topic, mirrored, self._gate)
        return self._infos[topic]

    def _open_forward(self, name: str) -> None:
        publishers = self._node.get_publishers_info_by_topic(name)
        types = {publisher.topic_type for publisher in publishers}
        if len(types) != 1 or name in self._open or name in self._infos:
            return
        if name in self._forwards:
            if self._forwards[name].type_name in types:
                return
            self._forwards.pop(name).close()
        mirrored = self._mirrored(name)
        self._forwards[name] = TopicRelay(self._node, name, mirrored, publishers, self._gate)

    def _attempt(self, name: str, work: Callable[[], None]) -> None:
        """One topic's failure, as of an override that is no QoS, does not touch the others."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - see above
            self._log_once(f"{name}: {format_error(error)}")

    def _log_once(self, problem: str) -> None:
        if problem not in self._logged:
            self._logged.add(problem)
            self._node.get_logger().error(problem)

    def _find_watchers(self) -> None:
        """The leak guard: who else gets the original images?"""
        before = self.untrusted_subscribers
        self.untrusted_subscribers = {name: self._watchers_of(name) for name in self._open}
        for name, watchers in self.untrusted_subscribers.items():
            if new := sorted(set(watchers) - set(before.get(name, ()))):
                recorded = " (a recorder: persons are being recorded)" * any(
                    _RECORDER in watcher for watcher in new
                )
                self._node.get_logger().warning(
                    f"{name}: the original images go to {', '.join(new)}{recorded}; end that, or "
                    f"name the node in topics.trusted_subscribers"
                )

    def _watchers_of(self, name: str) -> list[str]:
        names = {
            f"{info.node_namespace.rstrip('/')}/{info.node_name}"
            for info in self._node.get_subscriptions_info_by_topic(name)
        }
        return sorted(
            n for n in names if not any(topic_matches(n, trusted) for trusted in self._trusted)
        )

    def _warn(self, absent: Sequence[str], wrong: Sequence[str]) -> None:
        if absent:
            self._node.get_logger().warning(
                f"nobody publishes {', '.join(sorted(absent))}", throttle_duration_sec=_THROTTLE_S
            )
        if wrong:
            self._node.get_logger().error(
                f"not anonymized, not {' or '.join(IMAGE_TYPES)}: {', '.join(wrong)}",
                throttle_duration_sec=_THROTTLE_S,
            )
