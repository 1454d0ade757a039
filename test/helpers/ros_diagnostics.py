"""The newest status of every name in /diagnostics."""

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus


class StatusRecorder:
    """The newest status by name."""

    def __init__(self, peer: Any) -> None:
        self._peer = peer
        peer.record("/diagnostics", DiagnosticArray)
        self._arrays = peer.received["/diagnostics"]

    def get(self, name: str) -> DiagnosticStatus | None:
        found = [s for array in self._arrays[-1:] for s in array.status if s.name == name]
        return found[0] if found else None

    def wait(self, name: str, level: bytes, text: str) -> dict[str, str]:
        """Until a status says this; returns its values."""

        def said() -> bool:
            status = self.get(name)
            return status is not None and status.level == level and text in status.message

        assert self._peer.spin_until(said), self._arrays[-1:]
        return {value.key: value.value for value in self.get(name).values}
