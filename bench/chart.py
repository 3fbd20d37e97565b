"""Bars and lines as plain SVG, written by hand: no library, readable as text, small."""

from collections.abc import Sequence
from html import escape
from typing import Final

_WIDTH: Final = 760
_LABEL: Final = 190
_ROW: Final = 30
_TOP: Final = 58
_OWN: Final = "#1f6f54"
_OTHER: Final = "#8a94a3"
_TEXT: Final = 'font-family="sans-serif" font-size="13" fill="#222"'


def bars(title: str, unit: str, rows: Sequence[tuple[str, float]], own: str) -> str:
    """Return one bar a row with its value; rows whose name starts with `own` stand out."""
    height = _TOP + _ROW * len(rows) + 12
    longest = max(value for _, value in rows) or 1.0
    room = _WIDTH - _LABEL - 90
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="24" {_TEXT} font-weight="bold">{escape(title)}</text>',
        f'<text x="12" y="43" {_TEXT}>{escape(unit)}</text>',
    ]
    for place, (name, value) in enumerate(rows):
        y = _TOP + place * _ROW
        color = _OWN if name.startswith(own) else _OTHER
        length = round(value / longest * room, 1)
        parts += [
            f'<text x="{_LABEL - 8}" y="{y + 15}" text-anchor="end" {_TEXT}>{escape(name)}</text>',
            f'<rect x="{_LABEL}" y="{y}" width="{length}" height="20" fill="{color}"/>',
            f'<text x="{_LABEL + length + 6}" y="{y + 15}" {_TEXT}>{value:,.1f}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
