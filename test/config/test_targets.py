"""Targets beside persons, in the configuration."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anon_ros.config import (
    Config,
    dump_yaml,
    find_profile,
    find_weaker,
    get_value,
    list_drawings,
    list_styles,
    list_targets,
    load_config,
    with_overrides,
)
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
        ({"targets.car.classes": ["car"], "targets.car.action": "draw"}, "one of fill, blur"),
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


DRAWN = {
    "targets.preset": "person+vehicle",
    "targets.vehicle.action": "inpaint",
    "targets.vehicle.prompt": "a gray car",
}


def test_drawing_is_that_of_persons_but_for_its_own_values() -> None:
    own = {"negative_prompt": "a logo", "beta_d": 0.8, "context_ratio": 2}
    own = {f"targets.vehicle.{key}": value for key, value in own.items()}
    config = load_config(overrides=DRAWN | own | {"targets.sign.classes": ["stop sign"]})
    (drawing,) = list_drawings(config).values()
    assert drawing == replace(
        config.inpaint,
        prompt="a gray car",
        negative_prompt="a logo",
        beta_d=0.8,
        context_ratio=2.0,
    )
    assert list_styles(config) == [drawing.style]
    plain = with_overrides(load_config(overrides=DRAWN), {"inpaint.beta_d": 0.7})
    (drawing,) = list_drawings(plain).values()
    assert drawing == replace(plain.inpaint, prompt="a gray car")
    assert get_value(plain, "targets.vehicle.beta_d") == 0.7


def test_style_of_persons_is_no_other() -> None:
    config = load_config(overrides=DRAWN | {"targets.vehicle.prompt": Config().inpaint.prompt})
    assert list_drawings(config) == {"vehicle": config.inpaint}
    assert list_styles(config) == []


def test_lower_noise_of_a_target_is_weaker() -> None:
    base = load_config(overrides=DRAWN)
    weaker = load_config(overrides=DRAWN | {"targets.vehicle.beta_d": 0.3})
    assert find_weaker(weaker, base) == {"targets.vehicle.beta_d": "0.3, not 0.6"}
    assert not find_weaker(base, weaker)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"inpaint.method": "fill"}, "inpaint.method = fill, which has no model; set fill, blur"),
        ({"inpaint.model": "generator"}, "inpaint.model = generator, which draws persons only; se"),
        ({"targets.vehicle.beta_d": 0.01}, "targets.vehicle.beta_d: 0.01 is not allowed, expected"),
        ({"targets.vehicle.beta_d": 1.5}, "targets.vehicle.beta_d: 1.5 is not allowed"),
        (
            {"targets.vehicle.context_ratio": 0.5},
            "context_ratio: 0.5 is not allowed, expected 1 to",
        ),
        ({"targets.vehicle.prompt": ""}, "targets.vehicle.prompt is not set: describe what"),
        ({"targets.vehicle.prompt": " "}, 'as "a gray car"; else inpaint.model draws a person'),
        ({"targets.vehicle.prompt": 1}, "targets.vehicle.prompt: 1 is not allowed, expected str"),
        (
            {"targets.vehicle.beta_d": 0.1, "inpaint.steps": 5},
            "targets.vehicle.beta_d = 0.1 run no denoising step",
        ),
    ],
)
def test_bad_drawing_refused_with_what_is_possible(values: dict[str, Any], text: str) -> None:
    """At the start, and when a running node would come to it."""
    with pytest.raises(ConfigError, match=r"^param[^\n]*$") as caught:
        load_config(overrides=DRAWN | values)
    assert text in str(caught.value)
    with pytest.raises(ConfigError):
        with_overrides(load_config(overrides=DRAWN), values)


@pytest.mark.parametrize("action", ["fill", "blur", "pixelate"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("prompt", "a gray car"),
        ("negative_prompt", "a logo"),
        ("beta_d", 0.8),
        ("context_ratio", 1.5),
    ],
)
def test_parameter_of_a_drawing_refused_where_nothing_is_drawn(
    action: str, key: str, value: float | str
) -> None:
    values = {"targets.preset": "person+vehicle", "targets.vehicle.action": action}
    text = (
        rf"^parameter targets\.vehicle\.{key}: {value!r} is not allowed with "
        rf"targets\.vehicle\.action = {action}, which draws nothing; "
        "leave it out, or set action: inpaint$"
    )
    with pytest.raises(ConfigError, match=text):
        load_config(overrides=values | {f"targets.vehicle.{key}": value})
    assert load_config(overrides=values | {f"targets.vehicle.{key}": type(value)()})


def test_profile_street_draws_no_target() -> None:
    street = find_profile("street")
    assert list_targets(load_config(street, {"targets.preset": "person+vehicle"}))
    with pytest.raises(ConfigError, match="draws persons only"):
        load_config(street, DRAWN)


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
