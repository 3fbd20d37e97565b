"""A writer for small country databases in MaxMind DB format 2.0, for tests and benchmarks only.

Networks are IPv4 or IPv6; the tree is one of IPv6, in which IPv4 lies below `::/96`.
"""

import ipaddress
from typing import Final

_RECORD_BITS: Final = 24
_SHORT: Final = 28  # bytes of a text whose length stands in its first byte
_EXTENDED: Final = 8  # from this type on, a second byte names it
_MAPPED_BITS: Final = 96
_MARK: Final = b"\xab\xcd\xefMaxMind.com"


def _text(value: str) -> bytes:
    raw = value.encode()
    if len(raw) > _SHORT:
        raise ValueError(f"{value!r} is longer than {_SHORT} bytes")
    return bytes((0x40 | len(raw),)) + raw


def _number(value: int, kind: int) -> bytes:
    raw = value.to_bytes(8, "big").lstrip(b"\0")
    head = bytes((kind << 5 | len(raw),)) if kind < _EXTENDED else bytes((len(raw), kind - 7))
    return head + raw


def _map(pairs: dict[str, bytes]) -> bytes:
    return bytes((0xE0 | len(pairs),)) + b"".join(_text(key) + raw for key, raw in pairs.items())


def _list(items: list[bytes]) -> bytes:
    return bytes((len(items), 11 - 7)) + b"".join(items)


def _bits(network: str) -> str:
    parsed = ipaddress.ip_network(network)
    raw = parsed.network_address.packed.rjust(16, b"\0")
    skipped = _MAPPED_BITS if isinstance(parsed, ipaddress.IPv4Network) else 0
    return f"{int.from_bytes(raw, 'big'):0128b}"[: skipped + parsed.prefixlen]


def country_database(networks: dict[str, str]) -> bytes:
    """Return a database that gives each network the country of its ISO code."""
    data = b""
    offsets = []
    for code in networks.values():
        offsets.append(len(data))
        data += _map({"country": _map({"iso_code": _text(code)})})
    nodes: list[list[int | None]] = [[None, None]]
    leaves: dict[tuple[int, int], int] = {}
    for network, offset in zip(networks, offsets, strict=True):
        *path, last = map(int, _bits(network))
        node = 0
        for bit in path:
            below = nodes[node][bit]
            if below is None:
                nodes.append([None, None])
                below = nodes[node][bit] = len(nodes) - 1
            node = below
        leaves[node, last] = offset
    count = len(nodes)
    tree = b""
    for number, node_records in enumerate(nodes):
        for bit, below in enumerate(node_records):
            value = below if below is not None else count
            if (number, bit) in leaves:
                value = count + 16 + leaves[number, bit]
            tree += value.to_bytes(_RECORD_BITS // 8, "big")
    metadata = _map(
        {
            "binary_format_major_version": _number(2, 5),
            "binary_format_minor_version": _number(0, 5),
            "build_epoch": _number(1776162735, 9),
            "database_type": _text("Test-Country"),
            "description": _map({"en": _text("test")}),
            "ip_version": _number(6, 5),
            "languages": _list([_text("en")]),
            "node_count": _number(count, 6),
            "record_size": _number(_RECORD_BITS, 5),
        }
    )
    return tree + b"\0" * 16 + data + _MARK + metadata
