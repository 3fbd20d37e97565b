"""`http: true` of a preset file: method, status and path make a request, section 3 judges it."""

from typing import Final

from msgspec import Struct

from auditship_agent.config import SourceConfig
from auditship_agent.line import Dead, Ignored, Record
from auditship_agent.parsing.filling import Filling, is_somebody
from auditship_agent.parsing.form import Form, Rule
from auditship_agent.parsing.http import HttpRules, Request
from auditship_agent.parsing.kinds import integer
from auditship_agent.parsing.outcome import Rules, verdict_of
from auditship_agent.parsing.paths import Resolved, Templates, resolve, resolved
from auditship_agent.parsing.pick import Getter, Values
from auditship_indexer.errors import ConfigError

_FAILED: Final = 400  # the first status of a request that failed


class Asked(Struct, frozen=True, gc=False):
    """A request, and what will judge it once its time is known."""

    rules: HttpRules
    request: Request
    forced: tuple[str, str | None] | None

    def judge(self, time_ms: int) -> Record | Ignored:
        """Return the act, or why there is none."""
        return self.rules.judge(self.request, time_ms, self.forced)


class MappedHttp:
    """Finds the request in a record, by a form and its source.

    Raises:
        ConfigError: `path_from: raw`, and the form has no `raw_path`.
    """

    def __init__(
        self, form: Form, source: SourceConfig, fill: Filling, rules: Rules, templates: Templates
    ) -> None:
        raw = source.path_from == "raw"
        path = "raw_path" if raw else "file.path"
        if path not in form.fields:
            raise ConfigError(
                f"path_from: preset {form.preset!r} has no raw path",
                hint="leave path_from out, or use a preset with the field raw_path",
            )
        self._is_raw = raw or fill.kind(path) == "raw_path"
        # also where `file.path` is what the server made of it: for what failed
        self._asked = None if self._is_raw else fill.getter("raw_path")
        self._templates = templates
        self._method = fill.texts("http.request.method")
        self._path = fill.texts(path)
        self._status = fill.texts("http.response.status_code")
        self._user = fill.getter("user")
        self._destination = fill.getter("destination")
        self._received = fill.getter("http.request.body.bytes")
        self._sent = fill.getter("http.response.body.bytes")
        self._encoding = fill.getter("content_encoding")
        self._length = fill.getter("content_length")
        self._has_credentials = fill.has_credentials
        self._rules = rules
        self._judge = HttpRules(
            templates,
            not_found_event=source.not_found == "event",
            propfind_event=source.propfind == "event",
        )

    def asked(self, values: Values) -> Asked | Ignored | Dead:
        """Return the request of a record, or why there is none to judge."""
        rule = self._rules.first(values)
        if rule is not None and (none := verdict_of(rule)):
            return none
        method, path, status = self._method(values), self._path(values), self._status(values)
        for name, value in (("method", method), ("path", path), ("status", status)):
            if value is None:
                return Dead("missing_field", name)
        if not isinstance(method, str) or not isinstance(path, str):
            return Dead("bad_field", "method or path is not a text")
        code = integer(status)
        if code is None or code not in range(1000):
            return Dead("bad_field", "status is not a number from 0 to 999")
        sent = _size(self._sent, values)
        request = Request(
            method=method,
            status=code,
            uri=path,
            credentials=self._has_credentials(values),
            user=_somebody(self._user, values),
            destination=_text(self._destination, values),
            received=_size(self._received, values),
            sent=sent,
            proves_size=method != "GET" or self._is_whole(values, sent),
            resolved=self._resolved(values, path, code),
        )
        return Asked(self._judge, request, _forced(rule))

    def _resolved(self, values: Values, path: str, status: int) -> Resolved:
        """Return the path of a request. That of a failed one may be the page that tells it.

        So a failed request is named by what was asked for, unless only the path that the server
        made of it lies in one of the source's templates.
        """
        if self._is_raw:
            return resolve(path)
        found = resolved(path)
        if status < _FAILED or (raw := _text(self._asked, values)) is None:
            return found
        asked = resolve(raw)
        place = self._templates.place
        return found if place(found).templated and not place(asked).templated else asked

    def _is_whole(self, values: Values, sent: int | None) -> bool:
        """Return whether the bytes of a reply are those of the file, as far as the log tells."""
        if _text(self._encoding, values) is not None:
            return False
        return self._length is None or _size(self._length, values) == sent


def _forced(rule: Rule | None) -> tuple[str, str | None] | None:
    return None if rule is None or rule.result is None else (rule.result, rule.reason)


def _text(get: Getter | None, values: Values) -> str | None:
    found = None if get is None else get(values)
    return found if isinstance(found, str) else None


def _somebody(get: Getter | None, values: Values) -> str | None:
    found = _text(get, values)
    return found if is_somebody(found) else None


def _size(get: Getter | None, values: Values) -> int | None:
    found = None if get is None else integer(get(values))
    return found if found is not None and found >= 0 else None
