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


def _frame(title: str, unit: str, height: int) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="24" {_TEXT} font-weight="bold">{escape(title)}</text>',
        f'<text x="12" y="43" {_TEXT}>{escape(unit)}</text>',
    ]


def bars(title: str, unit: str, rows: Sequence[tuple[str, float]], own: str) -> str:
    """Return one bar a row with its value; rows whose name starts with `own` stand out."""
    height = _TOP + _ROW * len(rows) + 12
    longest = max(value for _, value in rows) or 1.0
    room = _WIDTH - _LABEL - 90
    parts = _frame(title, unit, height)
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


def percentiles(
    title: str, unit: str, curves: Sequence[tuple[str, Sequence[float]]], own: str
) -> str:
    """Return a line for each curve: its values from the first to the last percentile."""
    highest = max(max(values) for _, values in curves) or 1.0
    left, top, wide, high = 60, 60, _WIDTH - 240, 220
    parts = [
        *_frame(title, unit, top + high + 40),
        f'<path d="M{left} {top}V{top + high}H{left + wide}" fill="none" stroke="#222"/>',
        f'<text x="{left - 6}" y="{top + 5}" text-anchor="end" {_TEXT}>{highest:,.0f}</text>',
        f'<text x="{left - 6}" y="{top + high}" text-anchor="end" {_TEXT}>0</text>',
        f'<text x="{left}" y="{top + high + 20}" {_TEXT}>1 %</text>',
        f'<text x="{left + wide}" y="{top + high + 20}" text-anchor="end" {_TEXT}>99 %</text>',
    ]
    for name, values in curves:
        color = _OWN if name.startswith(own) else _OTHER
        points = " ".join(
            f"{left + place * wide / max(1, len(values) - 1):.1f},"
            f"{top + high - value / highest * high:.1f}"
            for place, value in enumerate(values)
        )
        y = top + high - values[-1] / highest * high
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>',
            f'<text x="{left + wide + 8}" y="{y + 5:.1f}" {_TEXT}>{escape(name)}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
