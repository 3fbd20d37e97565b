"""A cluster that could not protect what is stored is refused before anything is written."""

import json
from http.server import BaseHTTPRequestHandler

import pytest

from auditship_indexer.errors import ClusterError
from auditship_indexer.opensearch import Connection, connect
from auditship_indexer.setup import run_setup
from support.ism import serving


def answering(number: str, distribution: str | None) -> type[BaseHTTPRequestHandler]:
    """A server that is `distribution` of version `number`, and takes no other question."""
    version = {"number": number, "distribution": distribution}
    body = {"version": {key: value for key, value in version.items() if value}}

    class Root(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = json.dumps(body).encode()
            self.send_response(200 if self.path == "/" else 500)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    return Root


@pytest.mark.parametrize(
    ("number", "distribution", "told"),
    [
        ("2.18.0", "opensearch", "opensearch 2.18.0: too old"),
        ("1.3.20", "opensearch", "too old"),
        ("2.9.1-SNAPSHOT", "opensearch", "too old"),
        ("8.15.0", None, "elasticsearch 8.15.0: auditship needs OpenSearch"),
    ],
)
def test_a_cluster_without_append_only_is_refused(
    number: str, distribution: str | None, told: str
) -> None:
    """Older than 2.19, or another product: one message, nothing asked or written after it."""
    with serving(answering(number, distribution)) as address:
        client = connect(Connection(hosts=(address,)))
        with pytest.raises(ClusterError, match=told):
            run_setup(client, ["x"], retention_days=120, now_ms=0, echo=print)
