"""Presets that are data: lines of each grammar, mutated; clients that choose every text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditship_agent.line import Produced
from auditship_agent.parsing.wrappers import Unwrapped
from auditship_agent.pipeline.transform import Stream
from support.edits import edited
from support.preset_lines import BY_PRESET, MINIO, NGINX, S3, SEAWEED, SFTPGO, line_of
from support.transforming import EXAMPLES, as_line, check_produced, stream

_PATHS = ("/w/{workspace}/{path*}",)
_STREAMS: dict[str, Stream] = {
    "nginx-json": stream("nginx-json", trusted_proxies=("10.0.0.0/8",), paths=_PATHS),
    "s3-access": stream("s3-access"),
    "minio-audit": stream("minio-audit"),
    "seaweedfs": stream("seaweedfs"),
    "sftpgo": stream("sftpgo", timezone="Europe/Berlin", paths=_PATHS),
}  # fmt: skip
_NAMES = st.sampled_from(sorted(_STREAMS))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)  # fmt: skip
_TEXT = st.text(st.characters(), max_size=60)  # lone surrogates included, as escapes
_SAMPLES = {
    name: [raw for path in EXAMPLES.glob(f"{name}.*") for raw in path.read_bytes().split(b"\n")]
    for name in _STREAMS
}


@given(_NAMES, st.data())
def test_edited_lines_have_one_verdict(name: str, data: st.DataObject) -> None:
    """Example lines with bytes replaced, inserted and cut out; twice the same answer."""
    raw = data.draw(edited(st.sampled_from(_SAMPLES[name])))
    produced = _STREAMS[name].produce(as_line(raw))

    check_produced(produced)
    assert _STREAMS[name].produce(as_line(raw)) == produced


@given(_NAMES, st.binary(max_size=300))
def test_any_bytes_have_one_verdict(name: str, raw: bytes) -> None:
    """Nothing raises."""
    check_produced(_STREAMS[name].produce(as_line(raw)))


@given(st.sampled_from(sorted(BY_PRESET)), st.data())
def test_any_values_of_known_keys(name: str, data: st.DataObject) -> None:
    """The server's own keys, with anything in them."""
    good = BY_PRESET[name]
    fields = data.draw(st.dictionaries(st.sampled_from(sorted(good)), _JSON, max_size=5))
    check_produced(_STREAMS[name].produce(as_line(line_of(good, **fields))))


def check_event(produced: Produced) -> dict[str, Any]:
    """A good verdict, and events; return the first one."""
    check_produced(produced)
    assert produced.outcome == "event", produced
    found: dict[str, Any] = json.loads(produced.documents[0].body)
    return found


@given(_TEXT, st.sampled_from(["GET", "PUT", "DELETE", "MOVE", "MKCOL"]))
def test_no_client_kills_a_line_of_nginx(value: str, method: str) -> None:
    """Method, path, user, agent, destination, range, forwarded-for, length: all are a client's."""
    keys = ("path", "raw_path", "user", "agent", "destination", "range", "xff", "host", "length")
    texts = dict.fromkeys(keys, value)
    for verb in (method, "X" + value):
        line = line_of(NGINX, **texts, method=verb, status="403", addr="10.0.0.1")
        check_event(_STREAMS["nginx-json"].produce(as_line(line)))
    line = line_of(NGINX, **texts, method=value, status="400")
    check_produced(produced := _STREAMS["nginx-json"].produce(as_line(line)))
    assert produced.outcome != "dead_letter"


@given(_TEXT)
def test_no_client_kills_a_line_of_minio(value: str) -> None:
    """Bucket, object, agent, key: a client's."""
    api = {**MINIO["api"], "object": value, "bucket": value}
    line = line_of(MINIO, api=api, userAgent=value, accessKey=value, parentUser=value, error=value)
    check_event(_STREAMS["minio-audit"].produce(as_line(line)))


@given(_TEXT)
def test_no_client_kills_a_line_of_seaweedfs(value: str) -> None:
    """Key (an empty one lists the bucket), agent, requester, request id, address."""
    texts = dict.fromkeys(("key", "user_agent", "requester", "request_id", "remote_ip"), value)
    check_event(_STREAMS["seaweedfs"].produce(as_line(line_of(SEAWEED, **texts))))


@given(_TEXT)
def test_no_client_kills_a_line_of_sftpgo(value: str) -> None:
    """Paths and user names."""
    texts = dict.fromkeys(("virtual_path", "virtual_target_path", "username", "error"), value)
    check_event(_STREAMS["sftpgo"].produce(as_line(line_of(SFTPGO, **texts))))


_VISIBLE = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\n"), max_size=40
)


@given(_VISIBLE.map(lambda text: text.replace(" ", "%20")), _VISIBLE, _VISIBLE)
def test_no_client_kills_a_line_of_s3(target: str, referer: str, agent: str) -> None:
    """Request target, referer and agent, quotes included: an event, if an odd one."""
    raw = S3.format(uri=f"GET /{target} HTTP/1.1", referer=referer, agent=agent).encode()
    check_event(_STREAMS["s3-access"].produce(as_line(raw)))


@given(_VISIBLE.filter(lambda text: '"' not in text), _VISIBLE.filter(lambda text: '"' not in text))
def test_columns_without_quotes_are_exact(referer: str, agent: str) -> None:
    """Without a quote inside, the agent arrives as it was sent."""
    raw = S3.format(uri="GET /k HTTP/1.1", referer=referer, agent=agent).encode()
    found = check_event(_STREAMS["s3-access"].produce(as_line(raw)))

    assert found.get("user_agent", {}).get("original") == (None if agent in {"", "-"} else agent)
    assert "flags" not in found["audit"]


@pytest.mark.parametrize("name", ["docker", "cri", "compose", "syslog", "cee", "fluent"])
@given(raw=st.binary(max_size=120))
def test_wrappers_never_raise(name: str, raw: bytes) -> None:
    """Any bytes under any wrapper have one verdict."""
    inner = _STREAMS["seaweedfs"]._transform.preset
    verdict = Unwrapped(inner, (name,)).parse(raw)

    assert isinstance(verdict, list) or verdict.reason
