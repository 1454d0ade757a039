"""Names of mirrored topics."""

import pytest

from anon_ros.config import list_prefixes, load_config, mirrored_topic, resolve_prefix


@pytest.mark.parametrize("prefix", ["/anon", "anon", "/anon/"])
def test_mirrored_topic_has_prefix(prefix: str) -> None:
    assert mirrored_topic("/cam/image_raw", prefix) == "/anon/cam/image_raw"


@pytest.mark.parametrize(
    ("topic", "prefix", "expected"),
    [
        ("/car/cam/image", "/anon", "/anon/car/cam/image"),
        ("/car/cam/image", "anon", "/car/anon/cam/image"),
        ("/car/cam/image", "safe/anon/", "/car/safe/anon/cam/image"),
        ("/other/cam/image", "anon", "/car/anon/other/cam/image"),
        ("/cart/cam/image", "anon", "/car/anon/cart/cam/image"),
    ],
)
def test_relative_prefix_follows_namespace(topic: str, prefix: str, expected: str) -> None:
    assert mirrored_topic(topic, prefix, "/car") == expected


def test_prefixes_of_all_cameras() -> None:
    values = {"topics.prefix": "anon", "cameras.front.topics.prefix": "/safe/"}
    config = load_config(None, {**values, "cameras.rear.topics.prefix": "anon"})
    assert list_prefixes(config, "/car") == ["/car/anon", "/safe"]
    assert list_prefixes(config) == ["/anon", "/safe"]


@pytest.mark.parametrize(
    ("prefix", "namespace", "resolved"),
    [
        ("/anon", "/front", "/anon"),
        ("anon", "/", "/anon"),
        ("anon", "/front", "/front/anon"),
        ("anon/all/", "/car/front", "/car/front/anon/all"),
    ],
)
def test_relative_prefix_is_below_namespace(prefix: str, namespace: str, resolved: str) -> None:
    assert resolve_prefix(prefix, namespace) == resolved
