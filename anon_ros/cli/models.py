"""``anon_ros models``."""

from anon_ros.config import Config
from anon_ros.models import RequiredModel, evaluation_models, required_models

_MIB = 2**20


def run_models(config: Config) -> int:
    """Tell of each model that ``config`` needs; return 1 if one is missing, else 0."""
    needed = required_models(config)
    print("\n\n".join(map(_text, needed)))
    if config.inpaint.method != "sdxl":
        print(f"\ninpaint.method = {config.inpaint.method} needs no model")
    print("\nfor anon_ros evaluate quality, which goes without:\n")
    print("\n\n".join(map(_text, evaluation_models())))
    return 1 if any(model.path is None for model in needed) else 0


def _text(model: RequiredModel) -> str:
    lines = [f"{model.parameter}: {model.name}", f"  licence: {model.license}"]
    if model.path is not None:
        lines.append(f"  found:   {model.path.absolute()} ({model.size_bytes / _MIB:.0f} MiB)")
    else:
        lines.append(f"  missing: {model.problem.removeprefix(f'{model.parameter}: ')}")
    return "\n".join(lines)
