"""Configuration from files and overrides."""

from pathlib import Path

import pytest
import yaml

from anon_ros.config import (
    Config,
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
        ("x: 1", "no ros__parameters"),
        ("/**: {ros__parameters: {inpaint: {strength: 1}}}", "'inpaint.strength' is unknown"),
        ("/**: {ros__parameters: {inpain.method: fill}}", "did you mean inpaint.method"),
        ("/**: {ros__parameters: {allow_weakr: true}}", "did you mean allow_weaker"),
        ("/**: {ros__parameters: {inpaint: {vae: }}}", "inpaint.vae has no value"),
        ("/front/anonymizer: {ros__parameters: {inpaint: {method: fill}}}", "for another node"),
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


def write_sections(path: Path, *sections: str) -> Path:
    """Sections as "/name: method", each with a method and nothing else."""
    heads = [section.rsplit(": ", 1) for section in sections]
    path.write_text(
        "".join(f"{n}: {{ros__parameters: {{inpaint.method: {m}}}}}\n" for n, m in heads)
    )
    return path


@pytest.mark.parametrize(
    ("sections", "node", "method"),
    [
        (["/**: fill", "/driver: odd", "/planner/anonymizer: odd"], "", "fill"),
        (["/*/anonymizer: fill"], "", "fill"),
        (["/**/anonymizer: fill"], "", "fill"),
        (["anonymizer: fill"], "", "fill"),
        (["/*: fill"], "", "fill"),
        # Later sections win, as in ROS, whatever their names.
        (["/anonymizer: fill", "/**: telea"], "", "telea"),
        (["/**: telea", "/anonymizer: fill"], "/anonymizer", "fill"),
        (["/**: telea", "/*/anonymizer: odd", "/front/anonymizer: odd"], "/anonymizer", "telea"),
        (["/*/anonymizer: fill", "/anonymizer: odd"], "/front/anonymizer", "fill"),
        (["/front/anonymizer: fill", "/rear/anonymizer: odd"], "/front/anonymizer", "fill"),
        (["/*/anonymizer: odd", "/**/anonymizer: fill"], "/a/b/anonymizer", "fill"),
        (["/second: fill", "/anonymizer: odd"], "/second", "fill"),
    ],
)
def test_sections_chosen_as_in_ros(
    tmp_path: Path, sections: list[str], node: str, method: str
) -> None:
    """The cases are what rclpy does with the same files; that of "/*" for "" is wider."""
    file = write_sections(tmp_path / "car.yaml", *sections)
    assert load_config(file, node=node).inpaint.method == method


def test_nested_namespace_is_section(tmp_path: Path) -> None:
    file = tmp_path / "car.yaml"
    file.write_text("front:\n  anonymizer:\n    ros__parameters: {inpaint: {method: fill}}\n")
    assert load_config(file, node="/front/anonymizer").inpaint.method == "fill"
    with pytest.raises(ConfigError, match="for another node: /front/anonymizer"):
        load_config(file)


def test_parameters_of_ros_and_others_accepted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "car.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    use_sim_time: true\n"
        "    start_type_description_service: false\n"
        "    qos_overrides: {/camera/image_raw: {subscription: {depth: 1}}}\n"
        "    inpaint: {method: fill}\n"
    )
    assert load_config(file).inpaint.method == "fill"
    assert not caplog.text
    file.write_text("/**: {ros__parameters: {robot.radius: 0.5, rate: 3}}")
    assert load_config(file) == Config()
    assert "no effect here: rate, robot.radius" in caplog.text


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("beta_d: 6e-1", "inpaint.beta_d", 0.6),
        ("seed: 010", "inpaint.seed", 8),
        ("prompt: 2026-01-01", "inpaint.prompt", "2026-01-01"),
        ("prompt: 1:30", "inpaint.prompt", "1:30"),
        ("prompt: null", "inpaint.prompt", "null"),
        ("prompt: 'y'", "inpaint.prompt", "y"),
        ('init: "original"', "inpaint.init", "original"),
    ],
)
def test_scalars_read_as_in_ros(tmp_path: Path, text: str, name: str, value: object) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"/**: {{ros__parameters: {{inpaint: {{{text}}}}}}}")
    assert get_value(load_config(file), name) == value
