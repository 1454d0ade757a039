"""Targets beside persons, in the configuration."""

from pathlib import Path
from typing import Any

import pytest

from anon_ros.config import Config, dump_yaml, find_weaker, get_value, list_targets, load_config
from anon_ros.errors import ConfigError


def test_persons_alone_by_default() -> None:
    assert not list_targets(Config())


def test_section_changes_a_preset_and_adds_targets() -> None:
    values = {
        "targets.preset": "person+plate",
        "targets.plate.classes": ["plate", "number"],
        "targets.sign.classes": ["stop sign"],
        "targets.sign.action": "pixelate",
        "targets.sign.confidence": 1,
    }
    targets = list_targets(load_config(overrides=values))
    assert list(targets) == ["plate", "sign"]
    assert targets["plate"].classes == ("plate", "number")
    assert (targets["plate"].action, targets["sign"].action) == ("fill", "pixelate")
    assert targets["sign"].confidence == 1.0


def test_dumped_targets_load_back(tmp_path: Path) -> None:
    nested = {"targets": {"preset": "person+face", "sign": {"classes": ["a"], "action": "blur"}}}
    config = load_config(overrides=nested)
    file = tmp_path / "mine.yaml"
    file.write_text(dump_yaml(config))
    assert load_config(file) == config
    assert get_value(config, "targets.sign.action") == "blur"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"targets.preset": "person+dog"}, "expected one of person, person+plate"),
        ({"targets.car.action": "fill"}, "targets.car.classes is not set"),
        ({"targets.car.classes": []}, "expected not empty"),
        ({"targets.car.kind": "fill"}, "expected targets.NAME and then one of classes, action"),
        ({"targets.car.classes": ["car"], "targets.car.action": "inpaint"}, "one of fill, blur"),
        ({"targets.car.classes": ["car"], "targets.car.confidence": 0.0}, "0.001 to 1"),
        ({"targets.car.classes": ["person"]}, "person is in detect.classes already"),
        ({"targets.a.classes": ["car"], "targets.b.classes": ["car"]}, "in targets.a.classes"),
        ({"targets.a.classes": ["bus"], "mask.join": ["bus"]}, "bus is in mask.join already"),
        ({"targets.person.classes": ["man"]}, "targets.person.classes is a reserved name"),
        ({"targets.regions.classes": ["man"]}, "targets.regions.classes is a reserved name"),
    ],
)
def test_bad_target_refused_with_what_is_possible(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=values)
    assert text in str(caught.value)


def test_targets_left_out() -> None:
    values = {"targets.preset": "person+face", "targets.sign.classes": ["stop sign"]}
    assert load_config(overrides=values).without_targets() == Config()


def test_weaker_targets_found() -> None:
    values = {"targets.preset": "person+vehicle", "targets.sign.classes": ["a", "b"]}
    base = load_config(overrides=values)
    weaker = load_config(overrides={"targets.sign.classes": ["a"], "targets.sign.action": "blur"})
    expected = {"targets.preset", "targets.sign.classes", "targets.sign.action"}
    assert set(find_weaker(weaker, base)) == expected
    assert set(find_weaker(Config(), base)) == {"targets.preset", "targets.sign.classes"}
    assert not find_weaker(base, Config())
