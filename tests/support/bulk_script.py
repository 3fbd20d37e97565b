"""Behaviors of a scripted `_bulk`: each answers one request, truly or with one fault.

A behavior is a function of the exchange; `server.script(lost_reply(), too_many_requests(), ...)`
lays them out for the requests to come. Item faults keep the other items true.
"""

import json
import random
from collections.abc import Callable, Container
from dataclasses import replace
from typing import Any, Final, Protocol

from support.bulk_body import Action, Refusal
from support.bulk_cluster import Judge, accept_all
from support.bulk_gate import Gate
from support.bulk_wire import Answer, Hangup, Request

JSON: Final = ("content-type", "application/json; charset=UTF-8")
NAME: Final = ("X-OpenSearch-Version", "OpenSearch/3.8.0 (opensearch)")
HTML: Final = (
    b"<html><head><title>Gateway</title></head><body><h1>It is not here</h1></body></html>"
)

# Item faults, in the node's own words.
QUEUE_FULL: Final = Refusal(429, "rejected_execution_exception", "rejected execution of write")
FLOOD_STAGE: Final = Refusal(
    429,
    "cluster_block_exception",
    "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, "
    "index has read-only-allow-delete block];",
)
WRITE_BLOCK: Final = Refusal(
    403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];"
)
CLOSED: Final = Refusal(400, "index_closed_exception", "closed")
FORBIDDEN: Final = Refusal(
    403, "security_exception", "no permissions for [indices:data/write/bulk[s]]"
)
MAPPING: Final = Refusal(
    400, "mapper_parsing_exception", "failed to parse field [client.ip] of type [ip]"
)
SHARD_LIMIT: Final = Refusal(
    400,
    "validation_exception",
    "Validation Failed: 1: this action would add [1] total LOCAL_ONLY shards, but this cluster "
    "currently has [1000]/[1000] maximum LOCAL_ONLY shards open;",
)
NO_PIPELINE: Final = Refusal(
    400, "illegal_argument_exception", "pipeline with id [stamp] does not exist"
)
PIPELINE_FAILED: Final = Refusal(500, "fail_processor_exception", "fail")
NO_SHARD: Final = Refusal(503, "unavailable_shards_exception", "primary shard is not active")


class Exchange(Protocol):
    """What a behavior sees of one bulk request."""

    request: Request

    def apply(self, judge: Judge = accept_all) -> Answer:
        """Store what `judge` does not refuse, and return the true reply."""


Behavior = Callable[[Exchange], Answer | Hangup]


def json_answer(status: int, value: Any, *headers: tuple[str, str]) -> Answer:
    """Return a reply as the node writes it: compact JSON, no `Date`."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return Answer(status, body, (*headers, NAME, JSON))


def error_answer(refusal: Refusal, *headers: tuple[str, str]) -> Answer:
    """Return the reply to a request that is refused as a whole."""
    told = refusal.told()
    cause = {"type": refusal.type, "reason": refusal.reason} | dict(refusal.extra)
    value = {"error": {"root_cause": [cause], **told}, "status": refusal.status}
    return json_answer(refusal.status, value, *headers)


def serve() -> Behavior:
    """Behave well."""
    return lambda exchange: exchange.apply()


def refuse(refusal: Refusal, *headers: tuple[str, str]) -> Behavior:
    """Refuse the whole request; nothing is stored."""
    return lambda _exchange: error_answer(refusal, *headers)


def too_many_requests(retry_after_s: int | None = None) -> Behavior:
    """429 on the request; the node itself sends no `Retry-After`, a proxy may."""
    headers = () if retry_after_s is None else (("retry-after", str(retry_after_s)),)
    return refuse(QUEUE_FULL, *headers)


def breaker() -> Behavior:
    """429 of the in-flight breaker."""
    return refuse(Refusal(429, "circuit_breaking_exception", "[in_flight_requests] too large"))


def unavailable() -> Behavior:
    """503 while no manager is elected."""
    reason = "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];"
    return refuse(Refusal(503, "cluster_block_exception", reason))


def read_only() -> Behavior:
    """403 of a cluster that is read-only: disk or operator, not rights."""
    reason = "blocked by: [FORBIDDEN/13/cluster read-only / allow delete (api)];"
    return refuse(Refusal(403, "cluster_block_exception", reason))


def forbidden() -> Behavior:
    """403 without the permission to write in bulk."""
    return refuse(
        Refusal(403, "security_exception", "no permissions for [indices:data/write/bulk]")
    )


def parse_refused() -> Behavior:
    """400 on the request: a body that the node calls broken."""
    return refuse(Refusal(400, "parse_exception", "request body is broken"))


def unauthorized() -> Behavior:
    """401 in plain text, as the security plugin answers."""
    challenge = ("WWW-Authenticate", 'Basic realm="OpenSearch Security"')
    return plain(401, b"Unauthorized", "text/plain; charset=UTF-8", challenge)


def too_large() -> Behavior:
    """413 without a body."""
    return lambda _exchange: Answer(413)


def plain(
    status: int, body: bytes, content_type: str = "text/html", *headers: tuple[str, str]
) -> Behavior:
    """Answer with any text; nothing is stored."""
    return lambda _exchange: Answer(status, body, (*headers, ("content-type", content_type)))


def bad_gateway() -> Behavior:
    """502 with HTML, from a proxy whose node is gone."""
    return plain(502, HTML)


def html_ok() -> Behavior:
    """200 with HTML, from a portal in the way."""
    return plain(200, HTML)


def redirect(location: str) -> Behavior:
    """302; never to be followed."""
    return plain(302, b"", "text/html", ("location", location))


def refuse_items(refusal: Refusal, positions: Container[int] | None = None) -> Behavior:
    """Refuse the items at `positions` (None: all); the others are stored."""

    def judge(position: int, _action: Action) -> Refusal | None:
        return refusal if positions is None or position in positions else None

    return lambda exchange: exchange.apply(judge)


def refuse_actions(judge: Judge) -> Behavior:
    """Refuse the items that `judge` names."""
    return lambda exchange: exchange.apply(judge)


def if_named(text: bytes, behavior: Behavior) -> Behavior:
    """Behave so when the body of a request holds the text; else behave well."""

    def behave(exchange: Exchange) -> Answer | Hangup:
        return (behavior if text in (exchange.request.body or b"") else serve())(exchange)

    return behave


def slow(documents: int) -> Behavior:
    """Store the first `documents` of a request; the queue is full for the others."""
    return refuse_actions(lambda position, _: None if position < documents else QUEUE_FULL)


def lost_reply() -> Behavior:
    """Store everything, then close the connection without a reply."""

    def behave(exchange: Exchange) -> Hangup:
        exchange.apply()
        return Hangup.CLOSE

    return behave


def reset() -> Behavior:
    """Reset the connection before anything is stored."""
    return lambda _exchange: Hangup.RESET


def hold_request(gate: Gate, then: Behavior | None = None) -> Behavior:
    """Wait for the gate, then behave."""

    def behave(exchange: Exchange) -> Answer | Hangup:
        gate.wait()
        return (then or serve())(exchange)

    return behave


def hold_reply(gate: Gate, then: Behavior | None = None) -> Behavior:
    """Behave, but let the reply go only when the gate opens."""

    def behave(exchange: Exchange) -> Answer | Hangup:
        answer = (then or serve())(exchange)
        gate.wait()
        return answer

    return behave


def cut_reply(at: int, *, chunked: bool = False) -> Behavior:
    """Store everything; the reply ends after `at` bytes of its body."""
    return lambda exchange: replace(exchange.apply(), cut_at=at, chunked=chunked)


def raw_reply(change: Callable[[bytes], bytes]) -> Behavior:
    """Store everything; the body of the reply is changed as bytes."""

    def behave(exchange: Exchange) -> Answer:
        answer = exchange.apply()
        return replace(answer, body=change(answer.body))

    return behave


class _Over:
    """An exchange whose true reply is what another behavior makes of it."""

    def __init__(self, exchange: Exchange, base: Behavior) -> None:
        self.request = exchange.request
        self._exchange = exchange
        self._base = base

    def apply(self, judge: Judge = accept_all) -> Answer:
        assert judge is accept_all, "only the base refuses"
        answer = self._base(self._exchange)
        assert isinstance(answer, Answer), "only the upper one hangs up"
        return answer


def over(base: Behavior, upper: Behavior) -> Behavior:
    """Let `base` decide what is stored and refused, and `upper` spoil the reply."""
    return lambda exchange: upper(_Over(exchange, base))


def not_json() -> Behavior:
    """Store everything; the reply is whole and no JSON."""
    return raw_reply(lambda body: body[:-1] + b"?")


def pretty() -> Behavior:
    """Store everything; the reply is spread over lines, which is still true."""
    return raw_reply(lambda body: json.dumps(json.loads(body), indent=2).encode() + b"\n")


def huge(size: int) -> Behavior:
    """Store everything; the reply is true and padded to at least `size` bytes."""
    return raw_reply(lambda body: body + b" " * max(0, size - len(body)))


def change_items(change: Callable[[list[Any]], list[Any]]) -> Behavior:
    """Store everything; the list of reply items is changed."""

    def changed(body: bytes) -> bytes:
        reply = json.loads(body)
        reply["items"] = change(reply.get("items", []))
        return json.dumps(reply, separators=(",", ":")).encode()

    return raw_reply(changed)


def short() -> Behavior:
    """The last reply item is missing."""
    return change_items(lambda items: items[:-1])


def reordered() -> Behavior:
    """The reply items stand in reverse order."""
    return change_items(lambda items: items[::-1])


def doubled() -> Behavior:
    """The first reply item stands twice."""
    return change_items(lambda items: items[:1] + items)


def wrong_ids() -> Behavior:
    """Every reply item speaks of another document."""
    return change_items(
        lambda items: [
            {verb: {**item, "_id": f"not-{item['_id']}"} for verb, item in one.items()}
            for one in items
        ]
    )


def any_of(*behaviors: Behavior, seed: int) -> Behavior:
    """Choose one of the behaviors for each request, the same ones for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable choice, nothing secret

    def behave(exchange: Exchange) -> Answer | Hangup:
        return chance.choice(behaviors)(exchange)

    return behave
