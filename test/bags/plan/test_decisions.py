"""The origin of a decision is the plan, or the flag that overrides it."""

import pytest

from anon_ros.bags.plan.decisions import DecisionOrigin, TopicAction, TopicRules
from anon_ros.bags.plan.topic_plan import plan_topics
from anon_ros.bags.storage.records import Channel

IMAGE = Channel(1, "/image", "sensor_msgs/msg/Image", "cdr")
IMU = Channel(2, "/imu", "sensor_msgs/msg/Imu", "cdr")


@pytest.mark.parametrize(
    ("rules", "action", "origin"),
    [
        (TopicRules(), TopicAction.ANONYMIZE, DecisionOrigin.PLAN),
        (TopicRules(copy=("/imu",)), TopicAction.ANONYMIZE, DecisionOrigin.PLAN),
        (TopicRules(copy=("/image",)), TopicAction.COPY, DecisionOrigin.COPY_FLAG),
        (TopicRules(drop=("/image",)), TopicAction.DROP, DecisionOrigin.DROP_FLAG),
        (TopicRules(topics=("/imu",)), TopicAction.DROP, DecisionOrigin.DROP_FLAG),
        (
            TopicRules(drop=("/image",), copy=("/image",)),
            TopicAction.DROP,
            DecisionOrigin.DROP_FLAG,
        ),
    ],
)
def test_origin_of_decision(rules: TopicRules, action: TopicAction, origin: DecisionOrigin) -> None:
    decision = plan_topics({IMAGE: 1, IMU: 1}, {}, (), rules).get(IMAGE.topic, IMAGE.type_name)
    assert decision is not None
    assert (decision.action, decision.origin) == (action, origin)


def test_topic_copied_anyway_keeps_origin() -> None:
    speed = Channel(3, "/speed", "geometry_msgs/msg/Vector3", "cdr")
    plan = plan_topics({speed: 1}, {}, (), TopicRules(copy=("/speed",)))
    assert plan.decisions[0].origin is DecisionOrigin.PLAN
