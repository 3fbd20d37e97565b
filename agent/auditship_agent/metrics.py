"""The one register of the agent's metrics, and the loopback port that serves them.

`GET /metrics` in the Prometheus text format; `/health/live` while the main loop turns; `/health`
200 or 503 with the reasons. Metrics carry the prefix `auditship_agent_`.
"""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from auditship_indexer.errors import ConfigError

_PREFIX = "auditship_agent"
# A second series for each counter, which nobody reads.
disable_created_metrics()  # type: ignore[no-untyped-call]  # of the library


class Metrics:
    """Every metric of an agent. Attribute names are the metric names without prefix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.lines_read = self._counter("lines_read", "Complete lines that left the tailers")
        self.lines = self._counter("lines", "Lines by what became of them", "outcome")
        self.events = self._counter("events", "Documents made", "result")
        self.ignored = self._counter("ignored", "Lines that are no act", "reason")
        self.dead_letters = self._counter("dead_letters", "Lines recorded as dead", "reason")
        self.unknown_fields = self._counter("unknown_fields", "Keys not in the schema", "field")
        self.bytes_read = self._counter("bytes_read", "Bytes of complete lines read")
        self.bytes_acknowledged = self._counter(
            "bytes_acknowledged", "Bytes of lines that have their outcome"
        )
        self.gaps = self._counter("gaps", "Losses recorded", "reason")
        self.lost_bytes = self._counter("lost_bytes", "Bytes provably lost; must stay 0", "reason")
        self.truncations = self._counter("truncations", "Truncations or rewrites seen")
        self.rotations = self._counter("rotations", "Rotations seen", "kind")
        self.lag_bytes = self._gauge("lag_bytes", "Sizes minus acknowledged bytes", "source")
        self.files = self._gauge("files", "Files by state", "source", "state")
        self.open_files = self._gauge("open_files", "Open descriptors of log files")
        self.oldest = self._gauge(
            "oldest_unacknowledged_seconds", "Age of the oldest line without outcome", "source"
        )
        self.requests = self._plain_counter("requests", "Bulk requests", "outcome")
        self.request_bytes = self._plain_counter("request_bytes", "Bytes of bulk bodies sent")
        self.retries = self._plain_counter("retries", "Repeats by cause", "type")
        self.request_seconds = Histogram(
            f"{_PREFIX}_request_seconds", "Time of a bulk request", registry=self.registry
        )
        self.batch_events = Histogram(
            f"{_PREFIX}_batch_events",
            "Documents of a bulk request",
            buckets=(1, 10, 100, 500, 1_000, 2_000, 5_000, 10_000, 50_000),
            registry=self.registry,
        )
        self.window = self._gauge("window", "Requests that may be in flight")
        self.in_flight = self._gauge("in_flight", "Requests in flight")
        self.held = self._gauge("held", "1 while delivery waits for a person", "reason")
        self.dead_letter_open = self._gauge("dead_letter_open", "Open dead letters")
        self.dead_letter_bytes = self._gauge("dead_letter_bytes", "Bytes of the dead-letter files")
        self.dead_letter_damaged = self._gauge("dead_letter_damaged", "Damaged records set aside")
        self.dead_letter_files_missing = self._plain_counter(
            "dead_letter_files_missing", "Files of dead letters that vanished"
        )
        self.checkpoint_age = self._gauge("checkpoint_age_seconds", "Since the last checkpoint")
        self.checkpoint_writes = self._plain_counter(
            "checkpoint_writes", "Checkpoint writes", "result"
        )
        self.checkpoint_seconds = Histogram(
            f"{_PREFIX}_checkpoint_seconds", "Time of a checkpoint write", registry=self.registry
        )
        self.clock_offset = self._gauge(
            "clock_offset_seconds", "Wall clock minus that of the cluster, where it tells its own"
        )
        self.config_reloads = self._plain_counter("config_reloads", "Reloads", "result")
        self.watch_mode = self._gauge("watch_mode", "1 for the mode in use", "mode")
        self.info = self._gauge("info", "The agent's version", "version")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return self._plain_counter(name, text, "source", *labels)

    def _plain_counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", text, labels, registry=self.registry)


class MetricsServer:
    """The HTTP thread. `health` returns the reasons why the agent is not well; `live` a yes or no.

    Raises:
        ConfigError: the address cannot be listened on.
    """

    def __init__(
        self,
        listen: str,
        metrics: Metrics,
        *,
        health: Callable[[], list[str]],
        live: Callable[[], bool],
    ) -> None:
        host, _, port = listen.rpartition(":")
        try:
            self._server = ThreadingHTTPServer((host.strip("[]"), int(port)), _Page)
        except OSError as error:
            raise ConfigError(
                f"http.listen: {listen}: {error.strerror}",
                hint="another agent on this host? give each its own port, or set it to off",
            ) from error
        self._server.pages = {  # type: ignore[attr-defined]  # the page's only way to us
            "/metrics": lambda: (
                200,
                "text/plain; version=0.0.4",
                generate_latest(metrics.registry),
            ),
            "/health": lambda: _told(health()),
            "/health/live": lambda: _told([] if live() else ["the main loop does not turn"]),
        }
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _told(reasons: list[str]) -> tuple[int, str, bytes]:
    body = json.dumps({"ok": not reasons, "reasons": reasons}).encode() + b"\n"
    return (503 if reasons else 200), "application/json", body


class _Page(BaseHTTPRequestHandler):
    """GET of one of three pages."""

    server_version = "auditship-agent"
    sys_version = ""

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path.partition("?")[0])  # type: ignore[attr-defined]  # set above
        status, kind, body = page() if page else (404, "text/plain", b"not found\n")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Requests are not logged: a scrape each few seconds is no news."""
