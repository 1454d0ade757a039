"""Names of mirrored topics."""

import pytest

from anon_ros.config import mirrored_topic, resolve_prefix


@pytest.mark.parametrize("prefix", ["/anon", "anon", "/anon/"])
def test_mirrored_topic_has_prefix(prefix: str) -> None:
    assert mirrored_topic("/cam/image_raw", prefix) == "/anon/cam/image_raw"


@pytest.mark.parametrize(
    ("prefix", "namespace", "resolved"),
    [
        ("/anon", "/front", "/anon"),
        ("anon", "/", "/anon"),
        ("anon", "/front", "/front/anon"),
        ("anon/all/", "/car/front", "/car/front/anon/all/"),
    ],
)
def test_relative_prefix_is_below_namespace(prefix: str, namespace: str, resolved: str) -> None:
    assert resolve_prefix(prefix, namespace) == resolved
