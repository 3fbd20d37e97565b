"""Line -> finished documents: parse, normalize, name, encode. No I/O, no clock.

The outcome and every id depend on the line, its file's first line and the settings only, so a
line that is read again gives the same documents under the same ids.
"""

from typing import Final

from auditship_agent.config import AgentConfig, SourceConfig
from auditship_agent.line import Dead, Document, Ignored, Line, Produced, Record, Verdict
from auditship_agent.normalize import Normalizer
from auditship_agent.parsing import Preset, preset_of
from auditship_agent.parsing.native import NativePreset
from auditship_agent.pipeline.fragments import group
from auditship_agent.pipeline.splice import Splicer
from auditship_indexer.event.document import LogFile, LogPosition, encode
from auditship_indexer.event.fields import FIELDS
from auditship_indexer.event.identity import (
    DAY_MS,
    Lineage,
    event_id,
    index_name,
    sub_item,
)

_PATH_LIMIT: Final = FIELDS["log.file.path"].limit
_MAX_DAYS: Final = 4096


def window(now_ms: int, retention_days: int) -> tuple[int, int]:
    """Return the oldest and newest time of an event that is indexed: a day ahead at most.

    Outside it an index would be made to be deleted at once, or never.
    """
    return now_ms - retention_days * DAY_MS, now_ms + DAY_MS


def in_window(time_ms: int, now_ms: int, retention_days: int) -> bool:
    """Return whether an event of `time_ms` is indexed."""
    oldest, newest = window(now_ms, retention_days)
    return oldest <= time_ms <= newest


class Transform:
    """Turns the lines of one source into documents.

    Raises:
        ConfigError: the preset, a path template or the share-token key cannot be used.
    """

    def __init__(self, config: AgentConfig, source: SourceConfig) -> None:
        self.server_id = config.server.id
        self.region = config.server.region
        self.preset: Preset = preset_of(source)
        self.normalizer = Normalizer(config, source, self.preset.name)
        self.splicer = _splicer(self.preset, self.normalizer)
        self._indices: dict[int, str] = {}

    def stream(self, first_sha256: bytes, path: str) -> "Stream":
        """Return the maker of documents for one file generation, read under `path`."""
        return Stream(self, Lineage(self.server_id, first_sha256), path)

    def refresh(self) -> None:
        """Notice replaced data files; called at most once a second."""
        self.normalizer.refresh()

    def index_of(self, time_ms: int) -> str:
        """Return the index of an event; each day is named once."""
        day = time_ms // DAY_MS
        name = self._indices.get(day)
        if name is None:
            if len(self._indices) >= _MAX_DAYS:
                self._indices.clear()
            name = self._indices[day] = index_name(self.region, time_ms)
        return name


class Stream:
    """Makes the documents of one file generation. `generation` names it over its life."""

    def __init__(self, transform: Transform, lineage: Lineage, path: str) -> None:
        self._transform = transform
        self._lineage = lineage
        self._file = LogFile(_storable(path))
        self.generation = lineage.generation
        place = LogPosition(self._file, self.generation, line_sha256="")
        self._log = group(b"log", place).decode().removesuffix('"},')

    def produce(self, line: Line) -> Produced:
        """Return what a complete line becomes. Never raises on content."""
        splicer = self._transform.splicer
        if splicer is None or not line.whole:
            return self.produce_plainly(line)
        preset = splicer.preset
        native = preset.take(line.raw)
        if native is None:
            return self._judged(preset.parse_odd(line.raw), line)
        time_ms = splicer.time_of(native, line.raw)
        if time_ms is not None:
            name = event_id(time_ms, self._lineage.digest(line.offset, line.sha256))
            log = f'{self._log}{line.sha256.hex()}","offset":{line.offset}}},'
            body = splicer.document(native, name, log)
            if body is not None:
                assert native.result is not None  # noqa: S101 - a document has a result
                index = self._transform.index_of(time_ms)
                return Produced("event", (Document(name, index, body, time_ms, native.result),))
        return self._judged(preset.judge(native), line)

    def produce_plainly(self, line: Line) -> Produced:
        """Return the same by way of record and event: the rule that `produce` is held to."""
        if not line.whole:
            return Produced("dead_letter", reason="line_too_long", detail=f"{line.length} bytes")
        return self._judged(self._transform.preset.parse(line.raw), line)

    def _judged(self, verdict: Verdict, line: Line) -> Produced:
        if isinstance(verdict, Ignored):
            return Produced("ignored", reason=verdict.reason)
        if isinstance(verdict, Dead):
            return Produced("dead_letter", reason=verdict.reason, detail=verdict.detail)
        digest = self._lineage.digest(line.offset, line.sha256)
        if len(verdict) == 1:  # nearly always
            return Produced("event", (self._document(verdict[0], line, digest, 0),))
        return Produced(
            "event",
            tuple(
                self._document(record, line, sub_item(digest, item), item)
                for item, record in enumerate(verdict)
            ),
        )

    def _document(self, record: Record, line: Line, digest: bytes, item: int) -> Document:
        time_ms = record.time_ms
        name = event_id(time_ms, digest)
        event = self._transform.normalizer.event(record)
        act = event.event
        assert act is not None  # noqa: S101 - the normalizer always fills it
        act.id = name
        event.log = LogPosition(
            self._file, self.generation, item or None, line.sha256.hex(), line.offset
        )
        index = self._transform.index_of(time_ms)
        return Document(name, index, encode(event), time_ms, record.result, item)


def _splicer(preset: Preset, normalizer: Normalizer) -> Splicer | None:
    """Return the quick way of a source; only lines of the native log have one."""
    if not isinstance(preset, NativePreset) or normalizer.is_secondary:
        return None
    return Splicer(preset, normalizer)


def _storable(path: str) -> str:
    """Return a path as text that UTF-8 can hold, within the field's limit."""
    text = path.encode(errors="surrogateescape").decode(errors="replace")
    raw = text.encode()
    return text if len(raw) <= _PATH_LIMIT else raw[:_PATH_LIMIT].decode(errors="ignore")
