"""Text that a log calls an address -> address, port, or the text that is none.

v4-mapped addresses become v4, zones are dropped, IPv6 is written by RFC 5952.
"""

import ipaddress
import re
from socket import AF_INET, inet_pton
from typing import Final

from msgspec import Struct

_V4: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)
_V4_PORT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,3}){3}):(\d{1,5})", re.ASCII)
_BRACKETS: Final = re.compile(r"\[([^\]]*)\](?::(\d{1,5}))?", re.ASCII)
_NOT_TOLD: Final = ("", "-", "--", "@")
_MAX_PORT: Final = 65_535
_MAX_CACHE: Final = 4_096


class Address(Struct, frozen=True, gc=False):
    """`ip` in its normal form, or the `text` that is no address; `bad` asks for flag `bad_ip`."""

    ip: str | None = None
    port: int | None = None
    text: str | None = None
    bad: bool = False


_NOTHING: Final = Address()


class Addresses:
    """Reads addresses, once per distinct text (a bounded number is remembered)."""

    def __init__(self) -> None:
        self._known: dict[str, Address] = {}

    def read(self, text: str) -> Address:
        """Return what `text` says. Never raises."""
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _MAX_CACHE:
                self._known.clear()
            known = self._known[text] = _read(text)
        return known


def _read(text: str) -> Address:
    if text in _NOT_TOLD or text.startswith("unix:"):
        return _NOTHING
    if ip := _ip(text):
        return Address(ip)
    port_text: str | None = None
    bare = text
    if match := _V4_PORT.fullmatch(text) or _BRACKETS.fullmatch(text):
        bare, port_text = match.groups()
    port = int(port_text) if port_text else None
    ip = _ip(bare)
    if ip and (port is None or 0 < port <= _MAX_PORT):
        return Address(ip, port)
    return Address(text=text, bad=_looks_like_address(text))


def is_ipv4(text: str) -> bool:
    """Return whether a text is an IPv4 address, of which there is only one form."""
    try:
        inet_pton(AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def _ip(text: str) -> str | None:
    if ":" not in text:
        return text if is_ipv4(text) else None
    try:
        address = ipaddress.IPv6Address(text.partition("%")[0])
    except ValueError:
        return None
    return str(address.ipv4_mapped or address)


def _looks_like_address(text: str) -> bool:
    """A network, several addresses, leading zeros: meant as an address, and none."""
    parts = [part for part in re.split(r"[,;/\s]+", text) if part]
    if len(parts) > 1:
        return any(_ip(part) or _V4.fullmatch(part) for part in parts)
    return bool(_V4.fullmatch(text) or _V4_PORT.fullmatch(text))
