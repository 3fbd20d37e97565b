"""What the service manager is told (sd_notify(3)); silence where there is none."""

import os
import socket
from collections.abc import Mapping
from typing import Final

from auditship_indexer.log import Log

_ALIVE_EACH_S: Final = 5.0


class ServiceManager:
    """The socket that `NOTIFY_SOCKET` names. Main thread only: a hung loop must not look alive."""

    def __init__(self, log: Log, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._log = log
        self._alive_at = float("-inf")

    def ready(self) -> None:
        """Started, or done with a reload."""
        self._tell("READY=1")

    def reloading(self, now: float) -> None:
        """A reload begins; `ready` ends it. `now` is monotonic seconds."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={int(now * 1_000_000)}")

    def stopping(self) -> None:
        """No more is read; what is on its way gets some time."""
        self._tell("STOPPING=1")

    def alive(self, now: float) -> None:
        """The main loop turns; told each 5 s at most."""
        if now >= self._alive_at:
            self._alive_at = now + _ALIVE_EACH_S
            self._tell("WATCHDOG=1")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
                notify.sendto(state.encode(), self._address)
        except OSError as error:  # shipping goes on without a service manager
            self._log.fault("notify", "notify.failed", level="warning", error=str(error))
        else:
            self._log.recovered("notify", "notify.resumed")
