"""CSV records, byte by byte."""

import msgspec
import pytest

from auditship_indexer.export import COLUMNS, guard, undo
from auditship_indexer.export.formats import CSV
from auditship_indexer.export.table import HEADER, Record, record


def test_the_header_is_the_fixed_list_of_columns() -> None:
    """Never derived from data, quoted, CRLF."""
    assert HEADER == (
        b'"timestamp","user","action","file_name","file_id","size","ip","country","region",'
        b'"storage_region","device","result","workspace","event_id"\r\n'
    )
    assert CSV.header == HEADER
    assert len(COLUMNS) == 14


def test_a_whole_event_fills_every_column() -> None:
    """Texts quoted, the size bare, each value from the field of the contract."""
    row = msgspec.json.decode(
        b'{"@timestamp":"2026-04-14T10:32:15.000Z","audit":{"actor":"j@x","device":"browser",'
        b'"result":"success"},"client":{"ip":"203.0.113.10","geo":{"country_iso_code":"SG"}},'
        b'"cloud":{"region":"eu"},"event":{"action":"file.upload","id":"i1"},'
        b'"file":{"id":"f_41","name":"a \\"b\\", c.mp4","size":12400000000},'
        b'"storage":{"region":"us"},"workspace":{"id":"w","name":"W"},"unknown":{"x":[1]}}',
        type=Record,
    )
    assert record(row) == (
        b'"2026-04-14T10:32:15.000Z","j@x","file.upload","a ""b"", c.mp4","f_41",12400000000,'
        b'"203.0.113.10","SG","eu","us","browser","success","W","i1"\r\n'
    )


def test_an_absent_value_is_an_empty_field() -> None:
    """Even when nothing is known at all."""
    assert record(Record()) == b"," * 13 + b"\r\n"


def test_a_list_is_joined_and_guarded_as_one_text() -> None:
    """A foreign document may hold several names."""
    row = msgspec.json.decode(b'{"file":{"name":["=a","b",3]},"event":{"id":true}}', type=Record)
    assert record(row) == b',,,"\'=a;b;3",,,,,,,,,,true\r\n'


def test_a_workspace_without_a_name_is_its_id() -> None:
    """As the user is the e-mail, else the name, else the id."""
    row = msgspec.json.decode(b'{"workspace":{"id":"w_1"}}', type=Record)
    assert b'"w_1"' in record(row)


@pytest.mark.parametrize(
    "text",
    [
        "=1",
        "+1",
        "-1",
        "@x",
        "\uff1dx",
        "\uff0bx",
        "\uff0dx",
        "\uff20x",
        "\tx",
        "\rx",
        "\nx",
        "\0x",
    ],
)
def test_a_formula_gets_one_quote_more(text: str) -> None:
    """Also behind quotes that were there before, so that the guard can be undone."""
    assert guard(text) == f"'{text}"
    assert guard(f"''{text}") == f"'''{text}"
    assert undo(guard(f"''{text}")) == f"''{text}"


@pytest.mark.parametrize("text", ["", "a=1", "'quoted'", "''", " =1", "5", "_x"])
def test_other_text_stays(text: str) -> None:
    """The guard touches nothing that a spreadsheet would not run."""
    assert guard(text) == text
    assert undo(text) == text


def test_a_negative_number_is_bare() -> None:
    """Numbers are never guarded."""
    row = msgspec.json.decode(b'{"file":{"size":-5}}', type=Record)
    assert record(row) == b",,,,,-5,,,,,,,,\r\n"
