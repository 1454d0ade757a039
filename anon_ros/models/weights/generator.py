"""The generator: the small diffusion model that is shipped with anon_ros."""

from pathlib import Path

from anon_ros.config import GENERATOR
from anon_ros.errors import ModelError
from anon_ros.utils.share import shared_candidates

GENERATOR_LICENSE = "Apache-2.0 (anon_ros)"
GENERATOR_HINT = "or draw small persons with what is shipped: profile street (profile:=street)"


def find_generator(parameter: str = "inpaint.model") -> Path:
    """Return the directory of the generator, a diffusers pipeline.

    Args:
        parameter: the parameter that names it.

    Raises:
        ModelError: if it is not installed.
    """
    candidates = shared_candidates(GENERATOR)
    for candidate in candidates:
        if (candidate / "model_index.json").is_file():
            return candidate
    places = " or ".join(map(str, candidates))
    message = f"{parameter}: the generator is not at {places}; install anon_ros again"
    raise ModelError(message)


def is_generator(model: str) -> bool:
    """Return True if a value of ``inpaint.model`` names the generator, or its directory."""
    directory = Path(model).resolve()
    return model == GENERATOR or any(
        candidate.resolve() == directory for candidate in shared_candidates(GENERATOR)
    )
