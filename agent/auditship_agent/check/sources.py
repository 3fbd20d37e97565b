"""Does the preset of a source pass its own tests, and does it understand each readable file?"""

import grp
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from auditship_agent.check.finding import Finding, failed, fine, user
from auditship_agent.config import AgentConfig, SourceConfig
from auditship_agent.line import Dead
from auditship_agent.parsing import form_of, unread
from auditship_agent.pipeline.transform import Transform
from auditship_agent.pipeline.trial import preset_problems
from auditship_agent.source.archive import CorruptArchiveError
from auditship_agent.source.content import Content, open_content
from auditship_agent.source.discovery import Found
from auditship_agent.source.framing import Framer
from auditship_agent.source.tailer import PIECE_BYTES
from auditship_indexer.errors import AuditshipError

_SAMPLE_LINES: Final = 100
_WHOLE: Final = 1 << 62  # bytes: an archive is checked before it is read


def source(
    config: AgentConfig, setting: SourceConfig, files: list[Found], errors: dict[str, str]
) -> Iterator[Finding]:
    """Yield what is to be said of one source: its preset, its folders, each of its files."""
    what = f"source {setting.name}"
    try:
        transform = Transform(config, setting)
    except AuditshipError as error:
        yield failed(what, str(error), error.hint or "")
        return
    yield from _settings(config, setting, what)
    for problem in preset_problems(setting.preset):
        hint = f"auditship-agent presets test '{setting.preset}', and mend the preset or its test"
        yield failed(what, f"preset {setting.preset}: {problem}", hint)
    unlisted = [f for f in (str(Path(pattern).parent) for pattern in setting.files) if f in errors]
    for folder in unlisted:
        yield failed(what, f"{folder}: {errors[folder]}", _access_hint(folder))
    if not files and not unlisted:
        yield fine(what, f"{', '.join(setting.files)}: no file yet")
    for found in files:
        yield _file(what, transform, setting, found)


def _settings(config: AgentConfig, setting: SourceConfig, what: str) -> Iterator[Finding]:
    """Yield settings that do nothing, and what is lost without one."""
    form = form_of(setting.preset)
    for name in unread(form, setting):
        told = f"{name}: preset {setting.preset} does not read this setting"
        yield failed(what, told, "leave it out; docs/presets.md says what each preset can know")
    if "share_token" in form.fields and config.share_token_key_file is None:
        yield failed(
            what,
            f"preset {setting.preset} reads share tokens, but share_token_key_file is not set",
            "make a key: head -c 32 /dev/urandom > FILE; chmod 600 FILE",
        )


def _file(what: str, transform: Transform, setting: SourceConfig, found: Found) -> Finding:
    try:
        content, _ = open_content(found.path)
    except OSError as error:
        told = f"{found.path}: {error.strerror} for user {user()}"
        return failed(what, told, _access_hint(found.path))
    try:
        good, bad = _sample(content, transform, setting.line_limit)
    except (OSError, CorruptArchiveError) as error:
        return failed(what, f"{found.path}: {error}")
    finally:
        content.close()
    if bad and not good:
        return failed(
            what,
            f"{found.path}: none of its first lines fits preset {setting.preset}: {bad}",
            f"auditship-agent explain --preset {setting.preset} '{found.path}' shows each line",
        )
    return fine(
        what, f"{found.path}: {good} of the first lines parse" + (f"; {bad}" if bad else "")
    )


def _sample(content: Content, transform: Transform, limit: int) -> tuple[int, str]:
    """Return how many of the first lines parse, and what is wrong with the first that does not."""
    framer = Framer(0, limit)
    content.prepare(_WHOLE)
    lines = (
        line
        for piece in iter(lambda: content.read(framer.searched, PIECE_BYTES), b"")
        for line in framer.feed(piece)
    )
    good, bad = 0, ""
    for line in islice(lines, _SAMPLE_LINES):
        verdict = transform.preset.parse(line.raw)
        if isinstance(verdict, Dead):
            told = f"line at byte {line.offset}: {verdict.reason} {verdict.detail}".strip()
            bad = bad or told
        else:
            good += 1
    return good, bad


def _access_hint(path: str) -> str:
    """Name the group that could read a path, if its mode gives groups the right."""
    try:
        status = Path(path).stat()
    except OSError:
        return "the folder above must be listable for the agent's user"
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    if status.st_mode & 0o040:
        return f"usermod -a -G {group} {user()}, then restart"
    return f"let the group read it (mode 0640), and add {user()} to group {group}"
