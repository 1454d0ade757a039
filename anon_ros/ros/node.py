"""Node ``anonymizer``: image topics in, anonymized mirrored topics out."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from anon_ros.config import Config, find_weaker
from anon_ros.errors import AnonRosError, ConfigError, ModelError, format_error
from anon_ros.live import ModelProvider
from anon_ros.models import ModelCache, required_models
from anon_ros.ros.debug_topics import DebugTopics
from anon_ros.ros.diagnostics import Diagnostics, NodeStatus
from anon_ros.ros.guards import format_foreign
from anon_ros.ros.node_logging import LogThrottle, NodeLogHandler, choose_level
from anon_ros.ros.parameters import (
    apply_changes,
    declare_parameters,
    find_read_only_violation,
    is_unchanged,
    normalize_change,
    refuse_weaker,
    update_read_only,
)
from anon_ros.ros.rclpy_compat import add_post_set_parameters_callback
from anon_ros.ros.session import ActiveSession
from anon_ros.ros.topics.topic_manager import TopicManager
from anon_ros.utils.text import escape_controls

# Frames of a camera that starts, or of a played bag, are lost until it is found and subscribed.
_SUBSCRIBE_PERIOD_S = 0.05
_WATCH_PERIOD_S = 0.1
_DISCOVER_PERIOD_S = 0.5
_REPORT_PERIOD_S = 10.0
_DIAGNOSTICS_PERIOD_S = 1.0
_FAILURE_PERIOD_S = 1.0
_LOADING_TIMEOUT_S = 0.2

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class AnonymizerNode(LifecycleNode):  # type: ignore[misc]  # rclpy is not typed
    """Lifecycle node, which has models and subscriptions only while it is active.

    Args:
        models: replacement of the configured models.
        options: of rclpy's Node.

    Attributes:
        failure: error that stopped the node; None without one.
        should_exit: True if the process must end because of it. A node with another lifecycle
            manager stays when its models could not be loaded: it can be activated again.

    Raises:
        ConfigError: if a parameter is not allowed.
    """

    def __init__(self, models: ModelProvider | None = None, **options: Any) -> None:
        super().__init__("anonymizer", **options)
        self._log_handler = NodeLogHandler(self.get_logger())
        library = logging.getLogger("anon_ros")
        library.setLevel(choose_level(self.get_logger()))
        library.addHandler(self._log_handler)
        self._config = self._start_config = declare_parameters(self)
        self._models = models or ModelCache()
        self._topics: TopicManager | None = None
        self._session: ActiveSession | None = None
        self._active = False
        self._enabled = True
        self._failures = LogThrottle(_FAILURE_PERIOD_S)
        self._foreign_publishers = ""
        self.failure: BaseException | None = None
        self.should_exit = False
        self._debug = DebugTopics(self)
        self._diagnostics = Diagnostics(self, self._config.fail)
        self.add_on_set_parameters_callback(self._check_parameters)
        add_post_set_parameters_callback(self, self._apply_parameters)
        self.create_service(SetBool, "~/enable", self._enable)
        respond = self._service_change_state.callback
        self._service_change_state.callback = partial(self._change_state, respond)
        # A steady clock: with use_sim_time and no /clock a ROS timer would never fire.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        for period_s, call in (
            (_SUBSCRIBE_PERIOD_S, self._update_subscriptions),
            (_WATCH_PERIOD_S, self._watch_graph),
            (_DISCOVER_PERIOD_S, self._discover),
            (_DIAGNOSTICS_PERIOD_S, self._publish_diagnostics),
            (_REPORT_PERIOD_S, self.log_counts),
        ):
            self.create_timer(period_s, call, clock=steady)

    @property
    def autostart(self) -> bool:
        """True if the process configures and activates the node."""
        return self._config.autostart

    def configure_and_activate(self) -> None:
        """Configure and activate."""
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def on_configure(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Check the names of the topics."""
        try:
            self._topics = TopicManager(self, self._config)
        except ConfigError as error:
            self.set_failed(error)
            return FAILURE
        update_read_only(self, self._start_config, is_configured=True)
        self._diagnostics.fail = self._config.fail
        self.failure = None
        return SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to load the models, in the worker's thread, and subscribe."""
        assert self._topics is not None  # noqa: S101 - narrows the type: it is configured
        method = self._config.inpaint.method
        self.get_logger().info(f"loading models for inpaint.method = {method}")
        self._session = ActiveSession(
            self._config, self._models, self._topics, self._debug, self._on_failure, self._session
        )
        self._session.set_enabled(enabled=self._enabled)
        try:
            self._session.start()
        except Exception as error:  # noqa: BLE001 - rclpy would swallow it
            self._end_session()
            self.set_failed(error)
            return FAILURE
        self._active, self.failure = True, None
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish nothing more. The models are released as soon as no frame is in work."""
        self._end_session()
        return super().on_deactivate(state)

    def on_cleanup(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Forget the topics."""
        self._topics = None
        update_read_only(self, self._start_config, is_configured=False)
        return SUCCESS

    def on_shutdown(self, _: LifecycleState) -> TransitionCallbackReturn:
        """Publish nothing more."""
        self._end_session()
        return SUCCESS

    def check_worker(self) -> None:
        """Deactivate if the worker has ended by itself; to be called often."""
        session = self._session
        if not self._active or session is None or not session.worker.finished.is_set():
            return
        error = session.worker.error
        self.set_failed(error if error is not None else AnonRosError("the worker has ended"))
        self.should_exit = self.should_exit or session.worker.ready.is_set()
        self.trigger_deactivate()

    def set_failed(self, error: BaseException) -> None:
        """Record and log an error that stops the node."""
        self.failure = error
        self.should_exit = self._config.autostart
        self.get_logger().fatal(format_error(error))

    def stop(self, timeout_s: float) -> bool:
        """Publish nothing more; return True if the frame in work ended in time.

        While models are loading no frame is in work, and nothing is waited for.
        """
        self._end_session()
        if self._session is None:
            return True
        worker = self._session.worker
        return worker.stop(timeout_s if worker.ready.is_set() else _LOADING_TIMEOUT_S)

    def destroy_node(self) -> None:
        logging.getLogger("anon_ros").removeHandler(self._log_handler)
        super().destroy_node()
        # rclpy leaves its services to the collector, and with them the shared memory of DDS.
        self._state_machine.destroy_when_not_in_use()

    def log_counts(self) -> None:
        """Log the counters of all streams, and if models are still loading."""
        if self._get_state() == "loading":
            self.get_logger().info("still loading models")
        if self._session is not None:
            for topic, counts in self._session.mailbox.counts().items():
                self.get_logger().info(f"{topic}: {counts}")

    def set_parameters(self, parameter_list: Sequence[Parameter]) -> list[SetParametersResult]:
        """Set parameters as rclpy does, with a reason for read-only parameters."""
        return [self.set_parameters_atomically([parameter]) for parameter in parameter_list]

    def set_parameters_atomically(self, parameter_list: Sequence[Parameter]) -> SetParametersResult:
        """Set parameters together as rclpy does, with a reason for read-only parameters."""
        normalized = map(normalize_change, parameter_list)
        changes = [change for change in normalized if not is_unchanged(self, change)]
        if reason := find_read_only_violation(self, changes):
            return SetParametersResult(successful=False, reason=reason)
        if not changes:
            return SetParametersResult(successful=True)
        return super().set_parameters_atomically(changes)

    def _change_state(
        self, respond: Callable[..., ChangeState.Response], request: Any, response: Any
    ) -> ChangeState.Response:
        try:
            return respond(request, response)
        except RuntimeError as error:  # rclpy's would end the process without a response
            self.get_logger().error(f"transition {request.transition.id}: {error}")
            response.success = False
            return response

    def _check_parameters(self, changes: Sequence[Parameter]) -> SetParametersResult:
        result = apply_changes(self._config, changes, self._check_change)[1]
        if not result.successful:
            self.get_logger().warning(f"refused: {result.reason}", throttle_duration_sec=1.0)
        return result

    def _apply_parameters(self, changes: Sequence[Parameter]) -> None:
        before = self._config
        self._config = apply_changes(before, changes, lambda _: None)[0]
        if self._config == before:
            return
        for change in changes:
            self.get_logger().info(f"{change.name} = {change.value!r} from the next frame on")
        for name, values in find_weaker(self._config, before).items():
            self.get_logger().warning(f"weaker anonymization: {name} = {values}")
        if self._session is not None:
            self._session.reconfigure(self._config)

    def _check_change(self, config: Config) -> None:
        """Refuse weaker anonymization, and a method whose models are missing: frames would fail.

        Raises:
            ConfigError: if the node would anonymize less than at its start.
            ModelError: if a model is missing.
        """
        refuse_weaker(config, self._start_config)
        if config.inpaint.method != self._config.inpaint.method:
            for model in required_models(config):
                if model.problem and not model.parameter.startswith("detect."):
                    raise ModelError(model.problem)

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._enabled = bool(request.data)
        if self._session is not None:
            self._session.set_enabled(enabled=self._enabled)
        response.success = True
        response.message = "publishing" if self._enabled else "disabled: nothing is published"
        self.get_logger().info(response.message)
        return response

    def _update_subscriptions(self) -> None:
        if self._topics is not None:
            self._topics.update_subscriptions()

    def _watch_graph(self) -> None:
        if self._topics is not None and self._topics.has_graph_changed():
            self._discover()

    def _discover(self) -> None:
        if self._active and self._session is not None:
            self._session.discover()
            self._report_foreign_publishers(self._session.topics.prefix_guard.foreign_publishers)

    def _report_foreign_publishers(self, publishers: Mapping[str, Sequence[str]]) -> None:
        """Log other publishers below the prefix once, and end the node as configured."""
        text = escape_controls(format_foreign(publishers)) if publishers else ""
        is_new, self._foreign_publishers = text != self._foreign_publishers, text
        if text and self._config.topics.on_foreign_publisher == "end":
            self.set_failed(AnonRosError(text))
            self._publish_diagnostics()  # the next would come after the end
            self.trigger_deactivate()
        elif text and is_new:
            self.get_logger().error(text)

    def _publish_diagnostics(self) -> None:
        fallbacks = getattr(self._models, "fallbacks", {})
        problem = "" if self.failure is None else format_error(self.failure)
        weaker = find_weaker(self._config, Config())
        status = NodeStatus(self._get_state(), problem, fallbacks, weaker)
        self._diagnostics.publish(self._session, status)

    def _get_state(self) -> str:
        if self.failure is not None:
            return "failed"
        if self._topics is None:
            return "unconfigured"
        if not self._active or self._session is None:
            return "inactive"
        if not self._session.worker.ready.is_set():
            return "loading"
        return "ready" if self._enabled else "disabled"

    def _end_session(self) -> None:
        self._active = False
        if self._session is not None:
            self._session.stop()

    def _on_failure(self, name: str, error: Exception) -> None:
        """Log a failed frame; the worker's thread calls it."""
        text = f"{name}: a frame failed and is not published: {format_error(error)}"
        if self._failures.allows(name, text):
            self.get_logger().error(text)
        else:
            self.get_logger().debug(text)
