"""The declared parameters and their checks."""

from typing import Any

import pytest

from anon_ros.config import (
    Config,
    all_parameters,
    find_weaker,
    with_overrides,
)
from anon_ros.errors import ConfigError


def test_parameter_defaults_are_valid() -> None:
    for name, parameter in all_parameters().items():
        assert parameter.spec.help.endswith("."), name
        assert parameter.validate(parameter.default) == parameter.default
        if parameter.type in (int, float):
            assert parameter.spec.minimum is not None, name
            assert parameter.spec.maximum is not None, name


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
        ("inpaint.steps", 1, "run no denoising step"),
        ("inpaint.generate_px", 1001, "not a multiple of 8"),
        ("topics.images", [], "expected not empty"),
        ("topics.images", [""], "expected not empty"),
        ("topics.images", "/a", "expected list of str"),
        ("topics.images", [1], "expected list of str"),
        ("topics.prefix", "/", "topics.prefix"),
        ("topics.prefix", "/a b", "topics.prefix"),
        ("skip.max_rate_hz", -1.0, "0 to 1000 Hz"),
        ("detect.confidence", 0.0, "0.001 to 1"),
        ("mask.join", ["backpack", "person"], "person is in detect.classes already"),
        ("regions.always", ["0,0 1,0 1,1.01"], "reaches outside the image"),
        ("regions.always", ["-0.1,0 1,0 1,1"], "expected three or more corners x,y, from 0,0"),
        ("regions.never", ["0,0 640,0 640,480"], "reaches outside the image"),
        ("regions.never", ["0,0 1,1"], "has no area"),
        ("regions.never", ["0,0 0.5,0.5 1,1"], "has no area"),
        ("regions.always", ["0,0 1,nan 1,1"], "is no polygon"),
        ("regions.always", ["left half"], "or the path of a .png"),
        ("regions.always", ["window.jpg"], "or the path of a .png"),
        ("regions.never", ["0,0,0 1,0 1,1"], "is no polygon"),
        ("regions.never", [""], "has no area"),
    ],
)
def test_invalid_value_names_remedy(name: str, value: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_overrides(Config(), {name: value})
    assert told in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weaker_parameters_found() -> None:
    """A direction or weak choices are declared where they make sense."""
    for parameter in all_parameters().values():
        directions = {"", "lower", "higher"} if parameter.type in (int, float) else {""}
        directions |= {"fewer", "more"} if parameter.type == tuple[str, ...] else set()
        assert parameter.spec.weaker in directions
        assert set(parameter.spec.weak_choices) <= set(parameter.spec.choices)
    values = {"detect.confidence": 0.2, "inpaint.method": "blur", "inpaint.beta_d": 0.7}
    weaker = find_weaker(with_overrides(Config(), values), Config())
    assert weaker == {"detect.confidence": "0.2, not 0.1", "inpaint.method": "'blur', not 'sdxl'"}
    assert not find_weaker(Config(), with_overrides(Config(), values | {"inpaint.beta_d": 0.5}))


def test_weaker_regions_found() -> None:
    """Less that is always covered, or more that is never searched."""
    half, corner = "0,0 0.5,0 0.5,1 0,1", "0,0 0.2,0 0,0.2"
    both = with_overrides(Config(), {"regions.always": [half, corner], "regions.never": [half]})
    other = with_overrides(Config(), {"regions.always": [corner], "regions.never": []})
    assert set(find_weaker(other, both)) == {"regions.always"}
    assert set(find_weaker(both, other)) == {"regions.never"}
    assert not find_weaker(both, both)


@pytest.mark.parametrize("value", ["a.pt", ["a.pt"], ("a.pt", "b.pt")])
def test_weights_are_string_or_list(value: Any) -> None:
    expected = (value,) if isinstance(value, str) else tuple(value)
    assert with_overrides(Config(), {"detect.weights": value}).detect.weights == expected


@pytest.mark.parametrize("value", ["", [], ["a.pt", ""], [1], 5])
def test_weights_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"detect\.weights: .* is not allowed, expected"):
        with_overrides(Config(), {"detect.weights": value})
