"""The systemd unit of the agent: what it promises about rights, restarts and limits."""

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path
from typing import Final

import pytest

UNIT: Final = Path(__file__).parents[2] / "agent" / "auditship-agent.service"
MAX_EXPOSURE: Final = 2.0  # of 10, by `systemd-analyze security`

LIFE: Final = {
    "Type": "notify",
    "WatchdogSec": "60",
    "Restart": "always",
    "RestartSec": "5",
    "TimeoutStopSec": "30",  # the agent drains for at most 10 s
    "ExecReload": "/bin/kill -HUP $MAINPID",
    "User": "auditship-agent",
    "SupplementaryGroups": "adm",
    "StateDirectory": "auditship-agent",
    "StateDirectoryMode": "0700",
    "LoadCredential": "opensearch-password",
    "UMask": "0077",
}
CONFINEMENT: Final = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "SystemCallFilter": "@system-service",
}
LIMITS: Final = {"LimitNOFILE": "65536", "MemoryMax": "256M", "CPUWeight": "50"}


@pytest.fixture(scope="module")
def unit() -> RawConfigParser:
    """The unit, parsed strictly: a directive that stands twice is an error."""
    parser = RawConfigParser(strict=True, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign] # the documented way
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return parser


@pytest.mark.parametrize(("directive", "value"), (LIFE | CONFINEMENT | LIMITS).items())
def test_directive(unit: RawConfigParser, directive: str, value: str) -> None:
    """Each directive of the design has its value."""
    assert unit["Service"][directive] == value


def test_starts_the_agent(unit: RawConfigParser) -> None:
    """The unit runs the long-lived command, after the network is up, at boot."""
    assert unit["Service"]["ExecStart"].endswith("/auditship-agent run")
    assert unit["Unit"]["After"] == "network-online.target"
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_exposure() -> None:
    """`systemd-analyze security` finds less than 2.0 of 10 exposed."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (package systemd)")
    told = subprocess.run(
        [program, "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told.stdout)
    assert level is not None, told.stderr
    assert float(level[1]) < MAX_EXPOSURE
