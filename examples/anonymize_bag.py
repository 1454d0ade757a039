"""Anonymize and verify a bag: python examples/anonymize_bag.py IN/ OUT/ [CONFIG.yaml]."""

import sys
from pathlib import Path

from anon_ros.bags import open_bag, read_report
from anon_ros.cli.main import main as anon_ros
from anon_ros.config import load_config


def main(source: str, destination: str, config_file: str | None = None) -> int:
    """Run ``anon_ros bag`` and ``anon_ros verify``, and print the counts of the run report.

    Returns:
        0 if the result is clean, 1 if it has warnings to look at, 2 if it must not be shared.
    """
    config_flags = ["--config", config_file] if config_file else []
    # An interrupted run goes on where it stopped; OUT exists only once it is complete.
    if code := anon_ros(["bag", source, destination, *config_flags]):
        return code
    report = read_report(open_bag(Path(destination)))
    for topic in report.topics:
        persons = f", {topic.images.persons} persons" if topic.images else ""
        print(f"{topic.topic}: {topic.action.value}, {topic.num_written} messages{persons}")
    # The report may be anybody's: the weights are named here, not there.
    weights = load_config([Path(config_file)] if config_file else None).detect.weights
    flags = [word for name in weights for word in ("--detect.weights", name)]
    return anon_ros(["verify", source, destination, *flags])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
