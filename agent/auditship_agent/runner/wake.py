"""What the main thread waits on: a descriptor that threads and signal handlers may write to.

A `threading.Event` is no choice here: its lock is not reentrant, and a signal handler runs inside
the main thread, maybe while that holds the lock.
"""

import os
import select


class Wake:
    """A flag with a wait. `set` takes no lock and may be called from anywhere."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def set(self) -> None:
        """End the wait, or the next one."""
        os.eventfd_write(self._descriptor, 1)

    def wait(self, timeout_s: float) -> None:
        """Wait until `set` was called since the last wait, at most `timeout_s`."""
        if self._poll.poll(max(0, -(-timeout_s * 1000 // 1))):
            os.eventfd_read(self._descriptor)

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self._descriptor)
