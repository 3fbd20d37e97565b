"""Country of an address, by a MaxMind-format database of the operator.

A missing or damaged database never stops an event: it goes without a country, with flag
`geo_unavailable`. Replace the file by a rename; `refresh` then opens the new one. What answers is
a copy in memory, so that not even a file that is overwritten in its place can end the process.
"""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

import maxminddb

from auditship_indexer.event.document import Geo

_MAX_CACHE: Final = 4_096
_CODE_LENGTH: Final = 2


class Countries:
    """Looks up countries, once per distinct address (a bounded number is remembered)."""

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None
        self._known: dict[str, Geo | None] = {}
        self._reader: maxminddb.Reader | None = None
        self._state: tuple[int, int, int] | None = None
        self.edition = 0  # counts the databases that were opened or given up
        self.refresh()

    @property
    def is_configured(self) -> bool:
        """Whether the operator gave a database."""
        return self._path is not None

    @property
    def is_available(self) -> bool:
        """Whether the database can be read now."""
        return self._reader is not None

    def refresh(self) -> None:
        """Open the database again when its file was replaced. Cheap; at most once a second."""
        if self._path is None:
            return
        state = _state(self._path)
        if state == self._state and self._reader is not None:
            return
        if state is None or state != self._state:
            self._close()
            self._state = state
            if state is not None:
                with contextlib.suppress(OSError, ValueError, maxminddb.InvalidDatabaseError):
                    self._reader = _open(self._path)
                    self.edition += 1

    def of(self, ip: str) -> Geo | None:
        """Return the country of a normalized address, None when it has none (or by `is_available`).

        A database that turns out to be damaged is closed until its file is replaced.
        """
        try:
            return self._known[ip]
        except KeyError:
            if len(self._known) >= _MAX_CACHE:
                self._known.clear()
            found = self._known[ip] = self.look_up(ip)
            return found

    def look_up(self, ip: str) -> Geo | None:
        """Return the same, to a caller who remembers what it makes of it."""
        if self._reader is None:
            return None
        try:
            record = self._reader.get(ip)
        except maxminddb.InvalidDatabaseError:
            self._close()
            return None
        except ValueError:  # an IPv6 address, and a database of IPv4 only
            return None
        country = record.get("country") if isinstance(record, dict) else None
        code = country.get("iso_code") if isinstance(country, dict) else None
        if isinstance(code, str) and len(code) == _CODE_LENGTH and code.isascii():
            return Geo(code.upper())
        return None

    def _close(self) -> None:
        self.edition += 1
        self._known.clear()
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def _open(path: Path) -> maxminddb.Reader:
    """Open a copy without a name: reading a mapped file that was cut would be a bus error."""
    copy = os.memfd_create("country", os.MFD_CLOEXEC)
    try:
        with path.open("rb") as file, open(copy, "wb", closefd=False) as into:
            shutil.copyfileobj(file, into)
        return maxminddb.open_database(f"/proc/self/fd/{copy}")
    finally:
        os.close(copy)  # the mapping stays


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - the same call, without a Path method's detour
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
