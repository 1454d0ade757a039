"""Places in the checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HELPERS = ROOT / "test"  # the folder from which `helpers` is imported
DATA = ROOT / "test" / "data"
MASKS = DATA / "masks"
WITHOUT_ULTRALYTICS = ROOT / "test" / "without_ultralytics"
"""A folder that hides the package from each Python that has it on PYTHONPATH."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only read
