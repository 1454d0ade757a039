"""The demo: camera -> anonymizer -> recorder over DDS, and a check; then a recorded drive."""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from assemble_weights import assemble
from bag_demo import anonymize_drive, record_drive
from camera_frames import LIVE_PERIOD_S, open_camera
from check_recording import TOPIC, check_bag
from write_pictures import write_pictures

from anon_ros.config import find_profile, load_config
from anon_ros.models import build_segmenter

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "demo"
CONFIGS = find_profile("street"), ROOT / "config" / "demo.yaml"
# Where Debian's package opencv-doc puts its pedestrian video.
VIDEO = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
FRAMES = 40
DRIVE = range(18)
_END_TIMEOUT_S = 30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--video",
        type=Path,
        default=VIDEO if VIDEO.is_file() else None,
        help="pedestrian video (default: opencv-doc's if installed, else still images of it)",
    )
    video = parser.parse_args().video
    bag = OUT / "bag"
    shutil.rmtree(bag, ignore_errors=True)
    weights = assemble(OUT / "yolov8s-seg-demo.pt")
    print(f"demo: {FRAMES} frames of {video or 'a camera moving over a street'}", flush=True)
    codes = record(bag, weights, video)
    print("demo: checking every recorded frame", flush=True)
    config = load_config(CONFIGS, {"detect.weights": str(weights)})
    counts = check_bag(bag, open_camera(video), build_segmenter(config))
    print(
        f"demo: {counts['frames']} of {FRAMES} frames recorded, {counts['persons']} persons in "
        f"them, {counts['left']} still to be seen\n"
        f"demo: bag     {bag.relative_to(ROOT)}"
    )
    drive, output = OUT / "drive", OUT / "drive_anonymized"
    for folder in (drive, output):
        shutil.rmtree(folder, ignore_errors=True)
    print(f"demo: a recording of {len(DRIVE)} frames, as anon_ros bag does it", flush=True)
    record_drive(drive, open_camera(video), DRIVE)
    if not anonymize_drive(drive, output, CONFIGS, weights):
        codes["anon_ros bag or verify"] = 1
    else:
        for picture in write_pictures(drive, output, OUT):
            print(f"demo: picture {picture.relative_to(ROOT)}, before beside after")
    print(f"demo: review  {(output / 'review.html').relative_to(ROOT)}")
    failed = [name for name, code in codes.items() if code]
    if failed or counts["left"] or not counts["persons"]:
        print(f"demo: FAILED {' '.join(failed)}", file=sys.stderr)
        return 1
    return 0


def record(bag: Path, weights: Path, video: Path | None) -> dict[str, int]:
    """Run the three processes until the camera is done; return their exit codes."""
    python, node = sys.executable, str(Path(sys.executable).with_name("anonymizer"))
    here = Path(__file__).parent
    info = TOPIC.replace("image_raw", "camera_info")
    film = ["--video", str(video)] if video else []
    topics = [f"{TOPIC}=Image", f"{info}=CameraInfo"]
    files = [word for config in CONFIGS for word in ("--params-file", str(config))]
    # In frames for which there is no time the synthetic persons of the frame before move on.
    values = f"detect.weights:={weights}", "skip.on_skipped:=reuse"
    parameters = [*files, *(word for value in values for word in ("-p", value))]
    commands = {
        "recorder": [python, str(here / "recorder_node.py"), str(bag), *topics],
        "anonymizer": [node, "--ros-args", *parameters],
        "camera": [python, str(here / "camera_node.py"), "--frames", str(FRAMES), *film],
    }
    environment = _make_environment()
    processes = {
        name: subprocess.Popen(command, env=environment) for name, command in commands.items()
    }
    try:
        _wait_for(processes)
    finally:
        codes = {name: _end(processes[name]) for name in reversed(processes)}
    return codes


def _make_environment() -> dict[str, str]:
    """This environment with whole images let through, away from other ROS systems nearby."""
    profile = str(ROOT / "config" / "fastdds.xml")
    return os.environ | {
        "FASTRTPS_DEFAULT_PROFILES_FILE": profile,
        "ROS_DOMAIN_ID": os.environ.get("ROS_DOMAIN_ID", str(random.randint(1, 100))),  # noqa: S311
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }


def _wait_for(processes: "dict[str, subprocess.Popen[bytes]]") -> None:
    """Return when the camera is done, or another process has ended before it."""
    deadline_s = time.monotonic() + FRAMES * LIVE_PERIOD_S + 120
    while all(process.poll() is None for process in processes.values()):
        if time.monotonic() > deadline_s:
            print("demo: the camera did not come to its end", file=sys.stderr)
            return
        time.sleep(0.2)


def _end(process: "subprocess.Popen[bytes]") -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(_END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
