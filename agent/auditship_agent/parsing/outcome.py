"""`action`, `result` and `by_status` of a preset file, compiled: what a record was, or why none.

The first rule whose `when` holds decides; an action of its own stands before the action map. What
the rules leave open is decided by the status, as sources.md section 3 does for plain HTTP.
"""

from collections.abc import Callable
from typing import Any, Final

from auditship_agent.line import Dead, Ignored
from auditship_agent.parsing.form import (
    DEAD_LETTER,
    EMPTY_IGNORE,
    IGNORED,
    ActionForm,
    Form,
    ResultForm,
    Rule,
    is_action,
    sources,
)
from auditship_agent.parsing.http import by_status
from auditship_agent.parsing.kinds import integer
from auditship_agent.parsing.pick import Condition, Getter, Values, check_when, condition, picker
from auditship_indexer.errors import ConfigError

Decision = tuple[str, str, str | None]  # action, result, reason
Forced = tuple[str, str | None]  # result, reason
_RESULTS: Final = frozenset({"success", "denied", "error"})


class Rules:
    """The `result` rules of a form."""

    def __init__(self, form: Form, nothing: frozenset[str], skipped: frozenset[str]) -> None:
        rules = () if isinstance(form.result, ResultForm) else form.result
        self._rules: list[tuple[Condition, Rule]] = [
            (condition(rule.when, nothing), rule) for rule in rules if rule.ignored not in skipped
        ]

    def first(self, values: Values) -> Rule | None:
        """Return the rule that decides a record, if one does."""
        for holds, rule in self._rules:
            if holds(values):
                return rule
        return None


def verdict_of(rule: Rule) -> Ignored | Dead | None:
    """Return why a record that this rule decides is no event, None when it is one."""
    if rule.ignored is not None:
        return Ignored(rule.ignored)
    return Dead(rule.dead_letter) if rule.dead_letter is not None else None


class Outcome:
    """Decides records that are not plain HTTP.

    `read_status` gives the status of a record; `has_credentials` says whether a name was sent.
    """

    def __init__(
        self,
        form: Form,
        nothing: frozenset[str],
        rules: Rules,
        *,
        read_status: Getter | None,
        has_credentials: Callable[[Values], bool],
        not_found_event: bool,
    ) -> None:
        self._rules = rules
        self._action = None if form.action is None else _Action(form.action, nothing)
        self._told = (
            picker(sources(form.result.source), nothing)
            if isinstance(form.result, ResultForm)
            else None
        )
        self._status = read_status if form.by_status else None
        self._has_credentials = has_credentials
        self._not_found_event = not_found_event
        self._is_open = form.result == () and not form.by_status

    def of(self, values: Values) -> Decision | Ignored | Dead:
        """Return action, result and reason of a record, or why there is no event."""
        rule = self._rules.first(values)
        if rule is not None and (none := verdict_of(rule)):
            return none
        action = None if rule is None else rule.action
        if action is None:
            found = Dead("bad_action") if self._action is None else self._action.of(values)
            if not isinstance(found, str):
                return found
            action = found
        if rule is not None and rule.result is not None:
            return action, rule.result, rule.reason
        return self._undecided(action, values)

    def _undecided(self, action: str, values: Values) -> Decision | Ignored | Dead:
        """Return what the log itself says where no rule holds."""
        if self._told is not None:
            return self._as_told(action, values)
        if self._status is not None:
            return self._by_status(action, values, self._status)
        if self._is_open:
            return action, "success", None
        return Dead("bad_result", "no rule of the preset holds")

    def _as_told(self, action: str, values: Values) -> Decision | Dead:
        found = self._told(values) if self._told else None
        if found is None:
            return Dead("missing_field", "result")
        if not isinstance(found, str):
            return Dead("bad_field", "result is not a text")
        return (action, found, None) if found in _RESULTS else Dead("bad_result")

    def _by_status(self, action: str, values: Values, read: Getter) -> Decision | Ignored | Dead:
        value = read(values)
        if value is None:
            return Dead("missing_field", "status")
        status = integer(value)
        if status is None or status not in range(1000):
            return Dead("bad_field", "status is not a number from 0 to 999")
        return by_status(
            action,
            status,
            credentials=self._has_credentials(values),
            not_found_event=self._not_found_event,
        )


class _Action:
    """The `action` of a form."""

    def __init__(self, form: ActionForm, nothing: frozenset[str]) -> None:
        self._get = picker(sources(form.source), nothing)
        words = form.map or {}
        self._exact = {key: word for key, word in words.items() if not key.endswith("*")}
        self._heads = [(key[:-1], word) for key, word in words.items() if key.endswith("*")]
        self._is_own = form.map is None
        self._otherwise = form.otherwise
        self._absent = form.absent
        self._name = sources(form.source)[0]

    def of(self, values: Values) -> str | Ignored | Dead:
        found = self._get(values)
        if found is None:
            if self._absent == DEAD_LETTER:
                return Dead("missing_field", self._name)
            return Ignored(self._absent)
        if not isinstance(found, str):
            return Dead("bad_field", f"{self._name} is not a text")
        word = self._exact.get(found) or self._by_head(found)
        if word is None:
            if self._otherwise == DEAD_LETTER:
                return Dead("bad_action")
            return Ignored(self._otherwise)
        return Ignored(word) if word in IGNORED else word

    def _by_head(self, found: str) -> str | None:
        if self._is_own:
            return found if is_action(found) else None
        return next((word for head, word in self._heads if found.startswith(head)), None)


def ignoring(form_rules: Any, own_rules: Any, nothing: frozenset[str]) -> Condition | None:
    """Return whether one of the `ignore` entries of the preset or the source matches, or None.

    Raises:
        ConfigError: an entry of the source is empty, or none can match it.
    """
    for rule in own_rules:
        if problem := check_when(rule) if rule else EMPTY_IGNORE:
            raise ConfigError(
                f"ignore: {problem}" if rule else problem,
                hint='write a key of the log and what it is: {op: ping, peer: "127.0.0.1:*"}',
            )
    holding = [condition(dict(rule), nothing) for rule in (*form_rules, *own_rules)]
    if not holding:
        return None
    return lambda values: any(holds(values) for holds in holding)
