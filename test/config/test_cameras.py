"""Sections of parameters for single cameras."""

from pathlib import Path

import pytest
import yaml

from anon_ros.config import (
    Config,
    configure_camera,
    dump_yaml,
    find_weaker,
    get_value,
    list_section_parameters,
    load_config,
    merge_cameras,
)
from anon_ros.errors import ConfigError

SECTIONS = {
    "cameras.rear.images": ["/car/b/**"],
    "cameras.rear.topics.prefix": "/safe",
    "cameras.front.detect.confidence": 0.05,
    "cameras.front.skip.max_rate_hz": 5,
}


def test_values_apply_to_topics_of_the_section() -> None:
    config = load_config(None, SECTIONS)
    front = configure_camera(config, "/car/front/image_raw/compressed")
    assert (front.detect.confidence, front.skip.max_rate_hz) == (0.05, 5.0)
    assert front.topics.prefix == "/anon"
    rear = configure_camera(config, "/car/b/image")
    assert (rear.topics.prefix, rear.detect.confidence) == ("/safe", 0.1)
    for topic in ("/car/frontal/image", "/rear/image", "/image/front", "/image"):
        assert configure_camera(config, topic) == Config()
    nobody = Config()
    assert configure_camera(nobody, "/front/image") is nobody


def test_names_and_values_of_sections() -> None:
    config = load_config(None, SECTIONS)
    assert set(list_section_parameters(config)) == set(SECTIONS)
    assert get_value(config, "cameras.front.skip.max_rate_hz") == 5.0
    assert get_value(config, "cameras.front.topics.prefix") == "/anon"
    assert get_value(config, "cameras.front.images") == ()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("cameras.front.detect.weights", "x.pt", "expected cameras.NAME and then one of"),
        ("cameras.front", 1, "expected cameras.NAME"),
        ("cameras.1.detect.confidence", 0.1, "expected cameras.NAME"),
        ("cameras.front.detect.confidence", 2.0, "cameras.front.detect.confidence: 2.0 is not"),
        ("cameras.front.topics.prefix", "/", "parameter cameras.front.topics.prefix: '/'"),
        ("cameras.front.images", [""], "cameras.front.images"),
        ("cameras.front.images", ["front/image"], "cameras.front.images"),
    ],
)
def test_wrong_sections_refused(name: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(None, {name: value})


def test_file_and_dump(tmp_path: Path) -> None:
    file = tmp_path / "car.yaml"
    file.write_text(dump_yaml(load_config(None, SECTIONS)), encoding="utf-8")
    assert load_config(file) == load_config(None, SECTIONS)
    example = (
        dump_yaml(Config()).replace("    # cameras:", "    cameras:").replace("    #   ", "      ")
    )
    (tmp_path / "example.yaml").write_text(example, encoding="utf-8")
    assert list_section_parameters(load_config(tmp_path / "example.yaml"))
    assert "cameras" not in yaml.safe_load(dump_yaml(Config()))["/**"]["ros__parameters"]


def test_weaker_camera_is_weaker() -> None:
    key = "cameras.front.detect.confidence"
    config = load_config(None, {key: 0.3})
    assert find_weaker(config, Config()) == {key: "0.3, not 0.1"}
    assert not find_weaker(config, config)
    assert not find_weaker(load_config(None, {key: 0.05}), Config())
    assert find_weaker(Config(), load_config(None, {key: 0.05})) == {key: "0.1, not 0.05"}
    weaker = load_config(None, {key: 0.3, "detect.confidence": 0.2})
    assert set(find_weaker(weaker, config)) == {"detect.confidence"}


@pytest.mark.parametrize(("front", "expected"), [(0.05, 0.05), (0.5, 0.1)])
def test_recordings_get_the_strictest_detection(front: float, expected: float) -> None:
    merged = merge_cameras(load_config(None, {"cameras.front.detect.confidence": front}))
    assert merged == load_config(None, {"detect.confidence": expected})
