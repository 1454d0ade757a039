"""Names of mirrored topics."""

import pytest

from anon_ros.config import mirrored_topic


@pytest.mark.parametrize("prefix", ["/anon", "anon", "/anon/"])
def test_mirrored_topic_has_prefix(prefix: str) -> None:
    assert mirrored_topic("/cam/image_raw", prefix) == "/anon/cam/image_raw"
