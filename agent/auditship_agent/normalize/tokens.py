"""Tokens of share links leave the agent only as keyed hashes: `h_` and 32 hex digits.

With the same key on all servers one link has one `share.id` everywhere; without the key nobody
can test a guessed token against the index.
"""

import hmac
import stat
from hashlib import sha256
from pathlib import Path
from typing import Final

from auditship_indexer.errors import ConfigError

MIN_KEY_BYTES: Final = 32
_MAX_CACHE: Final = 4_096
_MAKE: Final = "make a key: head -c 32 /dev/urandom > FILE; chmod 600 FILE"


class ShareTokens:
    """Hashes tokens with the key of `share_token_key_file`."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[str, str] = {}

    def share_id(self, token: str) -> str:
        """Return the id that stands for a token."""
        known = self._known.get(token)
        if known is None:
            if len(self._known) >= _MAX_CACHE:
                self._known.clear()
            known = "h_" + hmac.new(self._key, token.encode(), sha256).hexdigest()[:32]
            self._known[token] = known
        return known


def read_key(name: str) -> ShareTokens:
    """Read the key file; all its bytes are the key.

    Raises:
        ConfigError: it cannot be read, is shorter than 32 bytes, or others may read it.
    """
    path = Path(name)
    try:
        mode = path.stat().st_mode
        key = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"share_token_key_file: {name}: cannot be read: {error.strerror}", hint=_MAKE
        ) from error
    if mode & stat.S_IRWXO:
        raise ConfigError(
            f"share_token_key_file: {name}: others may read it", hint=f"chmod 600 {name}"
        )
    if len(key) < MIN_KEY_BYTES:
        raise ConfigError(
            f"share_token_key_file: {name}: has {len(key)} bytes, {MIN_KEY_BYTES} are needed",
            hint=_MAKE,
        )
    return ShareTokens(key)
