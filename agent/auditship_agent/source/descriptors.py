"""Open descriptors of log files, within the limit that the operator set.

Deleted and rotated files with unread bytes keep theirs; a file that was read to its end and still
has its name is closed when room is needed, and opened again by that name. At the limit nothing new
is read: back-pressure, never loss.
"""

import errno
from typing import Final

from auditship_agent.source.content import FileId, open_content
from auditship_agent.source.logfile import LogFile

_TRIES: Final = 16
_NO_ROOM: Final = {errno.EMFILE, errno.ENFILE}


class Descriptors:
    """Who is open, the one that was used longest ago first, as far as that was looked at."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open: dict[FileId, LogFile] = {}
        self._brief: dict[FileId, LogFile] = {}  # in use until `trim`

    def __len__(self) -> int:
        return len(self._open)

    def open(self, file: LogFile, *, briefly: bool = False) -> bool:
        """Open a file by its name unless it is open; False: there is no room.

        `briefly` may exceed the limit; `trim` follows.

        Raises:
            OSError: the system does not let us, or the name leads to another file by now.
        """
        if briefly:
            self._brief[file.file_id] = file
        if file.content is not None:
            self._open.pop(file.file_id, None)
            self._open[file.file_id] = file
            return True
        if not self._make_room() and not briefly:
            return False
        try:
            content, file_id = open_content(file.path)
        except OSError as error:
            if error.errno in _NO_ROOM:
                return False
            raise
        if file_id != file.file_id:
            content.close()
            raise FileNotFoundError(errno.ENOENT, "the name leads to another file", file.path)
        file.open(content)
        self._open[file.file_id] = file
        return True

    def trim(self) -> None:
        """Close what was opened briefly, where that exceeds the limit."""
        for file in self._brief.values():
            if len(self._open) > self.limit and not file.gone and file.content is not None:
                self.close(file)
        self._brief.clear()

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached."""
        return len(self._open) >= self.limit

    def close(self, file: LogFile) -> None:
        """Release a descriptor; everything else about the file stays known."""
        file.close()
        self._open.pop(file.file_id, None)

    def close_all(self) -> None:
        """Release all descriptors."""
        for file in list(self._open.values()):
            self.close(file)

    def _make_room(self) -> bool:
        while self.is_full:
            idle = self._idle()
            if idle is None:
                return False
            self.close(idle)
        return True

    def _idle(self) -> LogFile | None:
        """Return a file that may be closed. A few are tried each time, so that it stays cheap."""
        for _ in range(min(_TRIES, len(self._open))):
            file = next(iter(self._open.values()))
            if file.file_id not in self._brief and _may_close(file):
                return file
            self._open[file.file_id] = self._open.pop(file.file_id)  # to the end
        return None


def _may_close(file: LogFile) -> bool:
    """Whether the file has nothing that could be lost with its name."""
    if file.gone or file.dirty:
        return False
    return file.live or file.tailer is None or not file.tailer.has_partial
