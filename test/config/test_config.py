"""Parameters are declared once; files, flags, documents and checks follow."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from anon_ros.config import (
    Config,
    all_parameters,
    dump_markdown,
    dump_yaml,
    get_value,
    load_config,
    with_overrides,
)
from anon_ros.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def test_generated_files_up_to_date() -> None:
    """`make docs` writes them."""
    assert (ROOT / "config/anonymize.yaml").read_text(encoding="utf-8") == dump_yaml(Config())
    assert (ROOT / "docs/parameters.md").read_text(encoding="utf-8") == dump_markdown()


def test_parameter_defaults_are_valid() -> None:
    for name, parameter in all_parameters().items():
        assert parameter.spec.help.endswith("."), name
        assert parameter.validate(parameter.default) == parameter.default
        if parameter.type in (int, float):
            assert parameter.spec.minimum is not None, name
            assert parameter.spec.maximum is not None, name


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
    ("name", "value", "told"),
    [
        ("inpaint.beta_d", 1.5, "1.5 is not allowed, expected 0.05 to 1"),
        ("inpaint.beta_d", float("nan"), "nan is not allowed"),
        ("inpaint.beta_d", "0.6", "'0.6' is not allowed, expected float"),
        ("inpaint.beta_d", True, "expected float"),
        ("inpaint.beta_d", None, "expected float"),
        ("inpaint.steps", 2.0, "expected int"),
        ("inpaint.steps", True, "expected int"),
        ("inpaint.method", "none", "one of sdxl, fill, telea, blur, pixelate"),
        ("inpaint.bta_d", 0.5, "did you mean inpaint.beta_d?"),
        ("inpaint.steps", 1, "run no step at all"),
        ("inpaint.generate_px", 1001, "no multiple of 8"),
        ("topics.images", [], "expected not empty"),
        ("topics.images", [""], "expected not empty"),
        ("topics.images", "/a", "expected list of str"),
        ("topics.images", [1], "expected list of str"),
        ("topics.prefix", "/", "topics.prefix"),
        ("topics.prefix", "/a b", "topics.prefix"),
        ("skip.max_rate_hz", -1.0, "0 to 1000 Hz"),
        ("detect.confidence", 0.0, "0.001 to 1"),
    ],
)
def test_invalid_value_names_remedy(name: str, value: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_overrides(Config(), {name: value})
    assert told in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


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
