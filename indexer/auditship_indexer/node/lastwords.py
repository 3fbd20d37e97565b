"""Find the lines of a node's log that say why it died.

Pure but for `read_tail`: a line decides when it is an ERROR or FATAL of the log, names an
exception, or is one of the few that Java prints before logging starts.
"""

import re
from pathlib import Path

TAIL_BYTES = 65_536
_MOST_LINES = 6
_MOST_CHARACTERS = 300

_DECIDES = re.compile(
    r"\]\[(?:ERROR|FATAL)"
    r"|^(?:Caused by: |Exception in thread |Error: |ERROR: |\[\d+\]: |error: )"
    r"|^OpenJDK .*(?:error|failed)"
    r"|^(?:Likely root cause: )?[\w.$]+(?:Exception|Error)\b"
    r"|^Unrecognized |^Invalid |Could not create the Java Virtual Machine"
    r"|There is insufficient memory|OutOfMemoryError|No space left on device"
)
# Below ERROR a line of the log decides nothing, whatever it quotes.
_IDLE = re.compile(r"\]\[(?:INFO|WARN|DEPRECATION|DEBUG) *\]|^WARNING: ")
# Each is told again with its cause, and the innermost cause is what helps.
_WRAPPERS = re.compile(
    r"StartupException|uncaught exception in thread|\] Exception$|A fatal exception has occurred"
)
_PREFIX = re.compile(r"^(?:Caused by|Likely root cause): ")

_HINTS = (
    (r"BindException|Address already in use", "choose another port, or end what listens there"),
    (r"No space left on device", "free some space on the disk of the data folder"),
    (r"insufficient memory|OutOfMemoryError|Cannot allocate memory|Could not reserve",
     "free some memory, or lower heap_mb"),
    (r"UnsupportedClassVersionError|compiled by a more recent version",
     "the Java is too old: unset OPENSEARCH_JAVA_HOME and JAVA_HOME"),
    (r"failed to obtain node lock", "another node uses this data folder: end it first"),
    (r"AccessDeniedException|Permission denied",
     "the user that runs the node must be able to read and write the folder named"),
    (r"unknown setting|Failed to parse", "correct the node's settings"),
    (r"Unrecognized VM option|Unrecognized option|Invalid .*heap size",
     "correct the node's Java options"),
)  # fmt: skip


def decisive_lines(text: str) -> list[str]:
    """Return the few lines that tell the cause, oldest first; else the last lines there are."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    found = [line for line in lines if _DECIDES.search(line) and not _IDLE.search(line)]
    telling = [line for line in found if not _WRAPPERS.search(line)] or found
    distinct = list(dict.fromkeys(_PREFIX.sub("", line) for line in telling)) or lines
    return [line[:_MOST_CHARACTERS] for line in distinct[-_MOST_LINES:]]


def hint_for(lines: list[str], log: Path) -> str:
    """Return what to do about a node that died with these lines."""
    text = "\n".join(lines)
    for pattern, hint in _HINTS:
        if re.search(pattern, text):
            return f"{hint}; the whole log: {log}"
    if not text:
        return "it ended without a word: it may have been killed for lack of memory (see dmesg)"
    return f"the whole log: {log}"


def read_tail(path: Path, since: int = 0) -> str:
    """Return the end of what a log file got after byte `since`; nothing when there is no file.

    A file shorter than `since` was rolled, and counts from its beginning.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            file.seek(max(0, size - TAIL_BYTES, since if since <= size else 0))
            return file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
