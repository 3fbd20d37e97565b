"""What makes the hot path cheap, told by counting and never by a clock."""

import gc
from pathlib import Path
from typing import Any

import pytest

from auditship_agent.batch import Batch
from auditship_agent.config import BatchConfig, EnrichConfig
from auditship_agent.normalize.agents import Agents
from auditship_agent.normalize.country import Countries
from auditship_agent.normalize.known import Known
from auditship_agent.pipeline.transform import Stream
from bench.database import country_database
from support.shipping import Owner
from support.transforming import as_line, native, stream, transform

_LINES = 2_000


def _raw(number: int) -> bytes:
    return native(
        ip=f"203.0.113.{number % 50}",
        user_agent=f"rclone/v1.{number % 7}",
        user={"id": f"u_{number % 30}"},
        file={"id": f"f_{number}", "name": f"clip-{number}.mp4", "path": f"/a/clip-{number}.mp4"},
    )


def test_what_was_seen_is_not_looked_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2,000 lines of 50 addresses and 7 programs: 50 countries and 7 user agents are read."""
    asked: list[str] = []

    def counting(method: Any) -> Any:
        def counted(self: Any, text: str) -> Any:
            asked.append(text)
            return method(self, text)

        return counted

    monkeypatch.setattr(Countries, "look_up", counting(Countries.look_up))
    monkeypatch.setattr(Agents, "_parsed", counting(Agents._parsed))
    database = tmp_path / "country.mmdb"
    database.write_bytes(country_database({"203.0.113.0/24": "SG"}))
    made = stream(enrich=EnrichConfig(country_db=str(database)))
    for number in range(_LINES):
        made.produce(as_line(_raw(number), number))

    assert sorted(asked) == sorted(
        [f"203.0.113.{n}" for n in range(50)] + [f"rclone/v1.{n}" for n in range(7)]
    )


def test_usual_lines_make_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its parts are known, a usual line does not come near record, event and encoder."""
    settings = transform()
    made = settings.stream(b"first", "/var/log/app.log")
    for number in range(210):
        made.produce(as_line(_raw(number), number))

    monkeypatch.delattr(Stream, "_judged")
    for number in range(210, 420):
        (document,) = made.produce(as_line(_raw(number), number)).documents
        assert b"clip-%d.mp4" % number in document.body


def test_the_way_of_a_line_makes_no_garbage() -> None:
    """From 20,000 lines to their bodies, the collector finds nothing to do."""
    made, batch, owner = stream(), Batch(BatchConfig(), gzip=True), Owner()
    made.produce(as_line(_raw(0)))
    gc.collect()
    gc.disable()
    try:
        for number in range(20_000):
            produced = made.produce(as_line(_raw(number), number))
            batch.add(owner, number, number + 1, produced.documents, 0.0)
            if batch.is_full:
                batch.close()
        found = gc.collect()
    finally:
        gc.enable()

    assert found == 0


def test_a_cache_is_bounded_and_keeps_what_is_in_use() -> None:
    """It never holds more than its limit; a key that is asked for all the time is made once."""
    made: list[int] = []

    def make(key: int) -> int:
        made.append(key)
        return -key

    known = Known(make, limit=8)
    for key in range(1, 100):
        assert known[key] == -key
        assert known[0] == 0
        assert known.size <= 8

    assert made.count(0) == 1
    assert len(made) == 100
    known.forget()
    assert known.size == 0
