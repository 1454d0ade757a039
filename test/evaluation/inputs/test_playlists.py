"""A playlist with the name of a video, which would fetch what it names."""

import socket
from pathlib import Path

import pytest

from anon_ros.errors import InputError
from anon_ros.evaluation.inputs.frames import iter_all_frames


@pytest.mark.timeout(120)
@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".m3u8"])
@pytest.mark.parametrize("scheme", ["http", "file"])
def test_playlist_fetches_nothing(tmp_path: Path, suffix: str, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        secret = tmp_path / "secret.ts"
        secret.write_bytes(bytes(188))
        host = f"127.0.0.1:{server.getsockname()[1]}" if scheme == "http" else ""
        video = tmp_path / f"drive{suffix}"
        video.write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{scheme}://{host}{secret}\n"
            "#EXT-X-ENDLIST\n"
        )
        with pytest.raises(InputError):
            list(iter_all_frames(video, ()))
        with pytest.raises(TimeoutError):
            server.accept()
