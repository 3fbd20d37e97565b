"""One good line of each preset that is data, for tests to change."""

import json
from typing import Any, Final

NGINX: Final[dict[str, Any]] = {
    "v": 1, "msec": "1776162735.123", "id": "5f1c", "addr": "203.0.113.10", "port": "51234",
    "xff": "", "user": "john@dosya.dev", "auth": "1", "host": "files.example.org", "method": "GET",
    "raw_path": "/docs/a.txt", "path": "/docs/a.txt", "status": "200", "sent": "11",
    "whole": "11", "encoding": "", "received": "412", "length": "",
    "took": "0.250", "range": "", "destination": "", "completion": "OK", "agent": "curl/8.5.0",
}  # fmt: skip
MINIO: Final[dict[str, Any]] = {
    "version": "1", "deploymentid": "d", "time": "2026-04-14T10:32:15Z", "event": "",
    "trigger": "incoming",
    "api": {"name": "GetObject", "bucket": "brand", "object": "renders/a.mp4", "status": "OK",
            "statusCode": 200, "rx": 0, "tx": 11, "timeToResponseInNS": "16438202"},
    "remotehost": "203.0.113.10", "requestID": "R1", "userAgent": "rclone/v1.75.2",
    "accessKey": "john",
}  # fmt: skip
SEAWEED: Final[dict[str, Any]] = {
    "bucket": "brand", "time": 1776162735, "remote_ip": "203.0.113.10", "requester": "john",
    "request_id": "R1", "operation": "REST.GET.OBJECT", "key": "renders/a.mp4", "host_id": "h",
    "host_header": "s3.example.org", "user_agent": "rclone/v1.75.2", "status": 200,
    "signature_version": "SIGV4",
}  # fmt: skip
SFTPGO: Final[dict[str, Any]] = {
    "level": "info", "time": "2026-04-14T10:32:15.123", "sender": "Upload",
    "local_addr": "10.0.0.1:2022", "remote_addr": "203.0.113.10:51234", "elapsed_ms": 250,
    "size_bytes": 11, "username": "john", "file_path": "/srv/data/john/a.txt",
    "virtual_path": "/docs/a.txt", "connection_id": "SFTP_1", "protocol": "SFTP",
}  # fmt: skip
S3: Final = (
    "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be brand"
    " [14/Apr/2026:10:32:15 +0000] 192.0.2.3"
    " 79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be R1 REST.GET.OBJECT k"
    ' "{uri}" 200 - 11 11 28 7 "{referer}" "{agent}" - h= SigV4 TLS AuthHeader s3 TLSV1.2'
)
BY_PRESET: Final = {
    "nginx-json": NGINX, "minio-audit": MINIO, "seaweedfs": SEAWEED, "sftpgo": SFTPGO,
}  # fmt: skip


def line_of(good: dict[str, Any], /, **fields: Any) -> bytes:
    """Return a line with `fields` on top; one that is None is left out."""
    line = {**good, **fields}
    return json.dumps({key: value for key, value in line.items() if value is not None}).encode()
