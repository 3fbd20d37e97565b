"""`http: true` of a preset file: method, status and path make a request, section 3 judges it."""

from msgspec import Struct

from auditship_agent.config import SourceConfig
from auditship_agent.line import Dead, Ignored, Record
from auditship_agent.parsing.filling import Filling, is_somebody
from auditship_agent.parsing.form import Form, Rule
from auditship_agent.parsing.http import HttpRules, Request
from auditship_agent.parsing.kinds import integer
from auditship_agent.parsing.outcome import Rules, verdict_of
from auditship_agent.parsing.paths import Templates, resolve, resolved
from auditship_agent.parsing.pick import Getter, Values
from auditship_indexer.errors import ConfigError


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
        self._method = fill.texts("http.request.method")
        self._path = fill.texts(path)
        self._status = fill.texts("http.response.status_code")
        self._user = fill.getter("user")
        self._destination = fill.getter("destination")
        self._received = fill.getter("http.request.body.bytes")
        self._sent = fill.getter("http.response.body.bytes")
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
        request = Request(
            method=method,
            status=code,
            uri=path,
            credentials=self._has_credentials(values),
            user=_somebody(self._user, values),
            destination=_text(self._destination, values),
            received=_size(self._received, values),
            sent=_size(self._sent, values),
            resolved=resolve(path) if self._is_raw else resolved(path),
        )
        return Asked(self._judge, request, _forced(rule))


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
