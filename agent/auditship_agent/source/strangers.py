"""Files of the watched folders that no pattern names: a generation may have been moved there."""

from collections.abc import Iterable
from typing import Final

from auditship_agent.source.archive import CorruptArchiveError
from auditship_agent.source.content import FileId, Stamp, recognized
from auditship_agent.source.discovery import Found
from auditship_agent.source.identity import resumable
from auditship_agent.source.logfile import LogFile
from auditship_agent.source.shelf import Shelf

_PREPARE_BYTES: Final = 256 * 1_048_576  # of an archive; a bigger one is not searched


class Strangers:
    """Takes those in whose content is searched for. Each version of a file is looked at once."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._known: dict[FileId, Stamp] = {}
        self.adopted: set[FileId] = set()

    @property
    def are_wanted(self) -> bool:
        """Whether a listing has to name them."""
        return bool(self.adopted) or any(orphan.sought for orphan in self._shelf.orphans)

    def search(self, strangers: Iterable[Found]) -> None:
        """Adopt every stranger that continues an orphan."""
        self.adopted &= self._shelf.files.keys()
        for found in strangers:
            if self._known.get(found.file_id) != found.stamp and found.stamp.size:
                self._known[found.file_id] = found.stamp
                self._look(found)

    def _look(self, found: Found) -> None:
        shelf = self._shelf
        file = LogFile(found.source, found.path, found.file_id, live=False, agenda={})
        try:
            continues = shelf.descriptors.open(file, briefly=True) and self._continues(file)
        except (OSError, CorruptArchiveError):
            continues = False  # whoever's file it is; ours is still searched for
        shelf.descriptors.close(file)
        if continues:
            self.adopted.add(found.file_id)

    def _continues(self, file: LogFile) -> bool:
        assert file.content is not None  # noqa: S101 - just opened
        file.open(recognized(file.content))
        if not file.content.prepare(_PREPARE_BYTES) or not file.find_first():
            return False
        assert file.first is not None  # noqa: S101 - found
        wanted = [orphan for orphan in self._shelf.orphans.of(file.first) if orphan.sought]
        return resumable(file, wanted) is not None
