"""Whatever the input: what the agent would send is a valid bulk body, and all of it is ours.

Lines of each preset's grammar, spoiled, go the whole way: parsed, normalized, written into a body,
and the body is read back as the cluster would.
"""

import functools
import json
import re
import zlib
from collections.abc import Callable
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from auditship_agent.line import Document
from auditship_agent.pipeline.transform import Stream
from support.bulk_body import parse
from support.edits import edited
from support.preset_lines import BY_PRESET, MINIO, S3, line_of
from support.shipping import Owner, body_of
from support.transforming import EXAMPLES, as_line, caddy, check_produced, native, stream

_STREAMS: Final[dict[str, Stream]] = {
    "native": stream("native"),
    "caddy": stream("caddy", paths=("/w/{workspace}/{path*}",)),
    "nginx-json": stream("nginx-json", trusted_proxies=("10.0.0.0/8",)),
    "s3-access": stream("s3-access"),
    "minio-audit": stream("minio-audit"),
    "seaweedfs": stream("seaweedfs"),
    "sftpgo": stream("sftpgo", timezone="Europe/Berlin"),
}
_SAMPLES: Final = {
    name: [raw for path in EXAMPLES.glob(f"{name}.*") for raw in path.read_bytes().split(b"\n")]
    for name in _STREAMS
}
_MARK: Final = "M4RK"
_FORGED: Final = '\n{"create":{"_id":"forged","_index":"audit-x-2026.04.14"}}\n{}\n'
_TEXT: Final = st.one_of(
    st.text(st.characters(), max_size=30),  # lone surrogates included
    st.sampled_from([_FORGED, '"}}\r\n{"delete":{"_id":"x"}}\r\n', "\u2028\u0085\0", "../../w/x"]),
).map(lambda text: _MARK + text)
_VALUE: Final = st.recursive(
    _TEXT | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
    max_leaves=4,
)
_ACTION: Final = re.compile(
    rb'\{"create":\{"_id":"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"'
    rb'(?:,"_index":"audit-us-west-1-\d{4}\.\d\d\.\d\d")?\}\}'
)


def _of(good: dict[str, Any], fields: dict[str, Any]) -> bytes:
    return line_of(good, **fields)


_KEYS: Final = {
    "native": ("user", "file", "share", "workspace", "ip", "user_agent", "labels", "error", "id",
               "target", "region", "service", "request_id", "claimed_user", "time", "action"),
    "caddy": ("uri", "method", "user_id", "resp_headers", "client_ip", "ts", "size"),
    "minio-audit": (*MINIO, "error", "parentUser"),
    **{name: tuple(good) for name, good in BY_PRESET.items() if name != "minio-audit"},
}  # fmt: skip
_GRAMMAR: Final[dict[str, Callable[[dict[str, Any]], bytes]]] = {
    "native": lambda fields: native(**fields),
    "caddy": lambda fields: caddy(**fields),
    **{name: functools.partial(_of, good) for name, good in BY_PRESET.items()},
}


@st.composite
def _lines(draw: st.DrawFn, name: str) -> bytes:
    """Return a line of a preset's grammar with any values in it, an example, or a spoiled one."""
    samples = st.sampled_from(_SAMPLES[name])
    if name == "s3-access":
        texts = st.text(max_size=30)
        made = st.builds(S3.format, uri=texts, referer=texts, agent=texts).map(str.encode)
    else:
        fields = st.dictionaries(st.sampled_from(_KEYS[name]), _VALUE, max_size=5)
        made = fields.map(_GRAMMAR[name])
    lines: st.SearchStrategy[bytes] = made | samples
    return draw(lines | edited(lines))


@given(name=st.sampled_from(sorted(_STREAMS)), gzip=st.booleans(), data=st.data())
def test_any_lines_give_a_body_that_reads_back(
    *, name: str, gzip: bool, data: st.DataObject
) -> None:
    """Documents come back byte for byte; action lines hold our own ids and index names only."""
    found: list[Document] = []
    offset = 0
    for raw in data.draw(st.lists(_lines(name), min_size=1, max_size=6)):
        produced = _STREAMS[name].produce(as_line(raw.replace(b"\n", b" "), offset))
        check_produced(produced)
        found += produced.documents
        offset += len(raw) + 1
    if not found:
        return
    made = [(one.id, one.index, one.body) for one in found]
    body = body_of(made, Owner(), gzip=gzip)

    plain = _plain(body.data, gzip=gzip)
    actions = parse(plain, body.index)
    assert [(one.verb, one.id, one.index, one.document) for one in actions] == [
        ("create", *one) for one in made
    ]
    lines = plain.split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == 2 * len(found)
    for action in lines[::2]:
        assert _ACTION.fullmatch(action), action
        assert _MARK.encode() not in action
    for document in lines[1::2]:
        assert isinstance(json.loads(document), dict)


def _plain(data: bytes, *, gzip: bool) -> bytes:
    return zlib.decompress(data, 31) if gzip else data
