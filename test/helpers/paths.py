"""Places in the checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HELPERS = ROOT / "test"  # the folder from which `helpers` is imported
DATA = ROOT / "test" / "data"
MASKS = DATA / "masks"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only read
