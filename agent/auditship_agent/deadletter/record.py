"""What a dead letter is, and the seal that tells a whole record from a torn or altered one."""

from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

_SUM_DIGITS: Final = 16

UNTERMINATED: Final = "unterminated"

Key = tuple[str, int, str]
Fate = Literal["replayed", "superseded", "discarded"]


class DeadLetter(Struct, frozen=True, omit_defaults=True):
    """One record. `raw` is base64 of the line, or of its head for `line_too_long`."""

    seq: int
    time: str
    reason: str
    detail: str
    source: str
    preset: str
    path: str
    generation: str
    first: str
    offset: int
    line_bytes: int
    line_sha256: str
    raw: str
    items: tuple[int, ...] = ()
    id: str | None = None
    index: str | None = None
    document: str = ""  # stands for the line where its file does not give it any more
    v: int = 1

    @property
    def key(self) -> Key:
        """What makes two records the same line; the same document where that stands for it.

        A last line without LF is another one than the line that it may still become.
        """
        what = self.id if self.document and self.id else self.line_sha256
        if self.reason == UNTERMINATED:
            what += "+"
        return self.generation, self.offset, what

    @property
    def line(self) -> bytes:
        """The raw bytes."""
        return b64decode(self.raw)


class Begun(Struct, frozen=True):
    """An open record of a last line without LF: its file may still grow."""

    seq: int
    bytes: int
    sha256: str


class Resolution(Struct, frozen=True, omit_defaults=True):
    """A record that is closed: by which fate, when and, for a discard, why."""

    seq: int
    fate: Fate
    time: str
    reason: str = ""


class Damage(Struct, frozen=True):
    """Records of a file that could not be read at start, and the file that keeps their bytes."""

    path: Path
    kept: Path
    records: int


class FullError(Exception):
    """There is no room for another record: the file must not be read past its line.

    The text says which limit is reached.
    """


def raw_text(line: bytes) -> str:
    """Return bytes in the form of `DeadLetter.raw`."""
    return b64encode(line).decode()


def sealed(record: Struct) -> bytes:
    """Return a record as a line that ends with its own checksum."""
    body = msgspec.json.encode(record)
    digest = sha256(body).hexdigest()[:_SUM_DIGITS].encode()
    return body[:-1] + b',"sum":"' + digest + b'"}\n'


def opened(line: bytes) -> bytes | None:
    """Return the JSON of a sealed line without its sum, or None when it is damaged."""
    tail = len(b',"sum":"') + _SUM_DIGITS + len(b'"}')
    body, seal = line[:-tail] + b"}", line[-tail:]
    digest = sha256(body).hexdigest()[:_SUM_DIGITS].encode()
    return body if seal == b',"sum":"' + digest + b'"}' else None


def decode(line: bytes) -> DeadLetter | None:
    """Read a line (without LF) back; None when it is damaged."""
    body = opened(line)
    if body is None:
        return None
    try:
        return msgspec.json.decode(body, type=DeadLetter)
    except msgspec.MsgspecError:
        return None
