"""Lines that met an accident, for property tests."""

from hypothesis import strategies as st

_EDITS = st.lists(st.tuples(st.integers(0), st.integers(0, 8), st.binary(max_size=8)), max_size=4)


@st.composite
def edited(draw: st.DrawFn, lines: st.SearchStrategy[bytes]) -> bytes:
    """Return one of the lines with bytes replaced, inserted and cut out, in up to four places."""
    raw = draw(lines)
    for place, length, new in draw(_EDITS):
        start = place % (len(raw) + 1)
        raw = raw[:start] + new + raw[start + length :]
    return raw
