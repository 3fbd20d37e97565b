"""A gate at which replies wait until a test opens it."""

import threading


class Gate:
    """Closed until `open()`; tells how many wait at it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = False
        self._arrived = 0

    def wait(self) -> None:
        """Wait until the gate is open (server side)."""
        with self._changed:
            self._arrived += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._open)

    def open(self) -> None:
        """Let everyone pass, from now on."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def wait_for_arrivals(self, count: int, timeout_s: float = 10.0) -> None:
        """Return when `count` requests have reached the gate since it was made.

        Raises:
            TimeoutError: they did not.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._arrived >= count, timeout_s):
                raise TimeoutError(f"{self._arrived} of {count} requests reached the gate")
