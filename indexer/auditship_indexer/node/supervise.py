"""Run one node as the child of a process that must not be outlived. A program, not a module.

    python -I -S supervise.py JSON

Prints the node's pid as its first line, or `error: ...`. Unless told to detach, it stays: it ends
with the node, and ends the node when its own parent is gone, even by SIGKILL. Should it be killed
itself, the kernel kills the node (PR_SET_PDEATHSIG, set here because this process has one thread;
the signal is bound to the thread that forks, and in the caller that thread may end early).
Only the standard library: it starts without site packages, in some 20 ms.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from typing import Any

PR_SET_PDEATHSIG = 1
LOOK_S = 0.5  # how often it looks whether its parent lives
GRACE_S = 10.0  # how long the node may take to stop by itself


def main() -> int:
    """Start the node and, unless detached, watch over it; return the node's exit status."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    # Blocked signals wait to be taken by sigtimedwait; the node starts with none blocked.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        node = spawn(order)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"error: {error}", flush=True)  # noqa: T201 - the protocol with the caller
        return 1
    # Whoever finds the folder taken is told by whom, even if our caller is killed right now.
    os.pwrite(order["lock_fd"], str(node.pid).encode(), 0)
    os.close(order["lock_fd"])  # the node alone holds the folder from here on
    print(node.pid, flush=True)  # noqa: T201 - the protocol with the caller
    return 0 if order["detach"] else watch(node, order["parent"])


def spawn(order: dict[str, Any]) -> "subprocess.Popen[bytes]":
    """Start the node in a session of its own; it inherits the lock of its folder."""
    libc = ctypes.CDLL(None, use_errno=True)

    def in_child() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        if not order["detach"]:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    with open(order["console"], "wb") as console:  # noqa: PTH123 - pathlib costs start time
        return subprocess.Popen(
            order["command"],
            cwd=order["cwd"],
            env=order["env"],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[order["lock_fd"]],
            preexec_fn=in_child,  # noqa: PLW1509 - safe: this process has one thread
            **order["identity"],
        )


def watch(node: "subprocess.Popen[bytes]", parent: int) -> int:
    """Wait for the end of the node, or end it when the parent is gone."""
    while node.poll() is None:
        signal.sigtimedwait({signal.SIGCHLD}, LOOK_S)
        if os.getppid() != parent and node.poll() is None:
            node.terminate()
            try:
                node.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                node.kill()
    return node.returncode if node.returncode >= 0 else 128 - node.returncode


if __name__ == "__main__":
    sys.exit(main())
