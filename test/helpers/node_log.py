"""Counters in the log of the node."""

import re


def parse_frame_counts(log: str, topic: str) -> dict[str, int]:
    """The last counters that the node logged for a topic."""
    line = [line for line in log.splitlines() if f"{topic}: " in line and " received" in line][-1]
    words = re.findall(r"(\d+) (\w+)", line.rpartition(f"{topic}: ")[2])
    return {name: int(number) for number, name in words}
