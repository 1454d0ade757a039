"""Configuration from files and overrides."""

from pathlib import Path

import pytest
import yaml

from anon_ros.config import (
    all_parameters,
    dump_yaml,
    get_value,
    load_config,
)
from anon_ros.errors import ConfigError


def test_dumped_yaml_loads_back(tmp_path: Path) -> None:
    changed = {"inpaint.method": "blur", "inpaint.prompt": 'on: "é" # no', "detect.nms_iou": 1.0}
    config = load_config(overrides=changed | {"topics.images": ["/a", "/b/c"]})
    file = tmp_path / "mine.yaml"
    file.write_text(dump_yaml(config), encoding="utf-8")
    assert load_config(file) == config
    assert yaml.safe_load(file.read_text())["/**"]["ros__parameters"]["inpaint"]["method"] == "blur"


def test_overrides_win_over_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("/**:\n  ros__parameters:\n    inpaint: {method: blur, steps: 9, beta_d: 1}\n")
    for overrides in ({"inpaint.method": "fill"}, {"inpaint": {"method": "fill"}}):
        config = load_config(file, overrides)
        assert (config.inpaint.method, config.inpaint.steps) == ("fill", 9)
        assert get_value(config, "inpaint.beta_d") == 1.0
        assert isinstance(config.inpaint.beta_d, float)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected '/**: ros__parameters:'"),
        ("inpaint: {kind: fill}", "no ros__parameters"),
        ("/**: {ros__parameters: null}", "no ros__parameters"),
        ("/other: {ros__parameters: {inpaint: {method: fill}}}", "for another node"),
        ("/**: {ros__parameters: {inpaint: {method: fil}}}", "'fil' is not allowed"),
        ("a: [", "while parsing"),
    ],
)
def test_invalid_file_error_names_path(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert str(caught.value).startswith(str(file))
    assert told in str(caught.value)


def test_missing_file_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "absent.yaml")


def test_dotted_key_in_file_accepted(tmp_path: Path) -> None:
    file = tmp_path / "dotted.yaml"
    file.write_text("/**:\n  ros__parameters:\n    inpaint.method: fill\n")
    assert load_config(file).inpaint.method == "fill"


def test_later_file_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    head = "/**: {ros__parameters: {inpaint: {"
    first.write_text(head + "steps: 20, seed: 4}}}", encoding="utf-8")
    second.write_text(head + "steps: 30}}}", encoding="utf-8")
    config = load_config([first, second])
    assert (config.inpaint.steps, config.inpaint.seed) == (30, 4)


SWITCHES = [name for name, parameter in all_parameters().items() if "off" in parameter.spec.choices]


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("word", ["off", "Off", "no", "false", '"off"'])
def test_off_without_quotes_is_off(tmp_path: Path, name: str, word: str) -> None:
    """YAML and ROS read it as false."""
    path = tmp_path / "mine.yaml"
    path.write_text(f"/**:\n  ros__parameters:\n    {name}: {word}\n")
    assert get_value(load_config(path), name) == "off"


@pytest.mark.parametrize("value", [True, False])
def test_switch_that_is_no_choice_refused(*, value: bool) -> None:
    with pytest.raises(ConfigError, match=f"{value} is not allowed, expected one of sdxl, fill"):
        load_config(None, {"inpaint.method": value})


@pytest.mark.parametrize("word", ["off", "false"])
def test_switch_in_file_takes_words(tmp_path: Path, word: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"/**: {{ros__parameters: {{output: {{mark: {word}}}}}}}")
    assert load_config(path).output.mark is False
    assert load_config().output.mark is True
