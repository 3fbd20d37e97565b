"""Who is asking: passwords, API keys, and the identity of a request.

Passwords lie on disk as scrypt hashes only. A password that was right is remembered for some
minutes as a keyed hash, since HTTP Basic sends it with each request and scrypt is slow on purpose.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from storage_server.refusal import denied
from storage_server.store import digest

REMEMBER_S = 300.0
SCRYPT = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}


@dataclass(frozen=True)
class Identity:
    """The user of a request, and the key when one was used. Neither: an anonymous visitor."""

    user_id: str | None = None
    email: str | None = None
    name: str | None = None
    key_id: str | None = None
    key_name: str | None = None
    key_workspace: str | None = None

    @property
    def signed_in(self) -> bool:
        """Tell whether somebody proved who he is."""
        return self.email is not None

    def fields(self, role: str | None) -> dict[str, Any]:
        """Return the fields of the audit line that name the actor."""
        if not self.signed_in:
            return {"actor": "anonymous"}
        roles = [role] if role else []
        user = {"id": self.user_id, "email": self.email, "name": self.name, "roles": roles}
        return {"user": user, "api_key": {"id": self.key_id, "name": self.key_name}}


ANONYMOUS = Identity()


def hash_password(password: str) -> str:
    """Return salt and scrypt hash as one text."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${_scrypt(password, salt).hex()}"


def password_matches(password: str, stored: str) -> bool:
    """Compare in constant time."""
    salt, _, expected = stored.partition("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), expected)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "replace"), salt=salt, **SCRYPT)


@dataclass
class Doorkeeper:
    """Checks the credentials of requests; one a process."""

    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _seen: dict[bytes, float] = field(default_factory=dict)

    def identify(self, db: sqlite3.Connection, headers: Mapping[str, str]) -> Identity:
        """Return who asks; a request without credentials is anonymous.

        Raises:
            RefusedError: there are credentials, and they are not good.
        """
        if key := headers.get("x-api-key"):
            return _by_key(db, key)
        if authorization := headers.get("authorization"):
            return self._by_password(db, *_basic(authorization))
        return ANONYMOUS

    def _by_password(self, db: sqlite3.Connection, claimed: str, password: str) -> Identity:
        user = db.execute("SELECT * FROM users WHERE email = ?", (claimed.lower(),)).fetchone()
        stored = user["password"] if user else _NOBODY
        if not self._verify(password, stored) or user is None:
            raise denied("bad_credentials", status=401, claimed_user=claimed)
        if user["disabled"]:
            raise denied("account_disabled", claimed_user=claimed)
        return Identity(user["id"], user["email"], user["name"])

    def _verify(self, password: str, stored: str) -> bool:
        text = f"{stored}\0{password}".encode("utf-8", "replace")
        mark = hmac.digest(self._key, text, "sha256")
        if self._seen.get(mark, 0.0) > time.monotonic():
            return True
        if not password_matches(password, stored):
            return False
        self._seen[mark] = time.monotonic() + REMEMBER_S
        return True


_NOBODY = hash_password(secrets.token_hex(16))  # so that an unknown name takes as long as a known


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise denied("bad_credentials", status=401)
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
    except (ValueError, binascii.Error) as error:
        raise denied("bad_credentials", status=401) from error
    name, _, password = text.partition(":")
    return name, password


def _by_key(db: sqlite3.Connection, text: str) -> Identity:
    """Find the key `<public id>.<secret>`; what is not a known public id is never repeated."""
    key_id, _, secret = text.partition(".")
    key = db.execute(
        "SELECT k.*, u.id AS user_id, u.email, u.name AS user_name, u.disabled"
        " FROM api_keys k JOIN users u ON u.email = k.owner WHERE k.id = ?",
        (key_id,),
    ).fetchone()
    if key is None:
        raise denied("bad_credentials", status=401)
    good = hmac.compare_digest(digest(secret), key["secret_sha256"])
    if not good or key["revoked_ms"] is not None:
        raise denied("bad_credentials", status=401, claimed_user=key_id)
    if key["disabled"]:
        raise denied("account_disabled", claimed_user=key_id)
    return Identity(
        key["user_id"], key["email"], key["user_name"], key_id, key["name"], key["workspace"]
    )
