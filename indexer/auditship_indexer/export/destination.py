"""Where an export goes: a file that appears whole or not at all, or standard output."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from auditship_indexer.errors import ConfigError


@contextmanager
def open_destination(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the name `path` when the block ends well.

    Until then it is `.NAME.RANDOM.part` in the same folder. When the block raises, Ctrl-C
    included, it is removed and an older file under `path` stays as it was. After kill -9 or a
    power loss only the `.part` file can be left.

    Raises:
        ConfigError: the folder is missing or not writable, `path` is no regular file, or the
            disk is full.
    """
    final = path.resolve()  # a link keeps pointing; what it points at is replaced
    _refuse_special(path, final)
    part = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
    try:
        with _created(part) as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(final)
        # COMMIT POINT: the next fsync. A crash above it leaves the older file or the new one,
        # each whole.
        _fsync_folder(final.parent)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise _unwritable(path, error) from error
        raise


def _refuse_special(path: Path, final: Path) -> None:
    if final.is_dir():
        raise ConfigError(f"{path}: is a folder", hint="name the file: -o FOLDER/export.csv")
    if final.exists() and not final.is_file():
        raise ConfigError(
            f"{path}: is no regular file, and would be replaced",
            hint="to stream, write -o - and redirect standard output",
        )


def _created(part: Path) -> BinaryIO:
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb")


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> ConfigError:
    hint = "nothing was written under this name"
    if error.errno == errno.ENOSPC:
        hint = f"free some space, or name another disk; {hint}"
    return ConfigError(f"{path}: cannot be written: {error.strerror or error}", hint=hint)
