"""The same line gives the same bytes, in whatever process: no hash seed, no time, no memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
_PROGRAM = """
import sys
from hashlib import sha256
from support.transforming import EXAMPLES, as_line, stream
settings = {"sftpgo": {"timezone": "Asia/Tokyo"}, "caddy": {"paths": ("/{workspace}/{path*}",)}}
for name in sys.argv[1:]:
    preset, made = name.partition(":")[0], sha256()
    path = EXAMPLES / name.partition(":")[2]
    lines = path.read_bytes().split(b"\\n")
    stored = stream(preset, **settings.get(preset, {}))
    for raw in lines:
        produced = stored.produce(as_line(raw))
        made.update(repr((produced.outcome, produced.reason, produced.detail)).encode())
        for document in produced.documents:
            made.update(document.id.encode() + document.index.encode() + document.body)
    print(name, made.hexdigest())
"""
_LOGS = [
    "native:native.jsonl", "native:nasty.jsonl", "caddy:caddy.jsonl", "caddy:nasty.jsonl",
    "nginx-json:nginx-json.jsonl", "s3-access:s3-access.log", "minio-audit:minio-audit.jsonl",
    "seaweedfs:seaweedfs.jsonl", "sftpgo:sftpgo.jsonl",
]  # fmt: skip


def _run(seed: str, zone: str, logs: list[str]) -> list[str]:
    """Return a line for each log: its name, and the hash of all that its lines became."""
    paths = os.pathsep.join([str(TESTS), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *logs],
        env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def reference() -> list[str]:
    return _run("0", "UTC", _LOGS)


@pytest.mark.parametrize(("seed", "zone"), [("1", "Asia/Kathmandu"), ("4242", "America/New_York")])
def test_fresh_processes_give_the_same_bytes(reference: list[str], seed: str, zone: str) -> None:
    """Another hash seed, another zone, another order: the same ids and documents."""
    assert len(reference) == len(_LOGS)

    assert sorted(_run(seed, zone, _LOGS[::-1])) == sorted(reference)
