"""Python with this folder on PYTHONPATH has no package ultralytics, and so have its children."""

import sys

sys.modules["ultralytics"] = None  # type: ignore[assignment]
