"""Result and reason of an act, and their words.

`success`: done. `denied`: a rule said no. `error`: it was allowed and failed. A reason is never set
with `success`.
"""

from typing import Final

from auditship_indexer.event.actions import ACTIONS

RESULTS: Final = ("denied", "error", "success")

# reason -> its words where they are not the value with blanks
_WORDS: Final = {
    "permission": "permission denied",
    "ip_blocked": "IP address blocked",
    "link_gone": "link expired or revoked",
    "link_password": "wrong password",
    "quota": "quota exceeded",
    "aborted": "transfer aborted",
}
DENIED_REASONS: Final = frozenset({
    "permission", "bad_credentials", "account_disabled", "mfa_required", "ip_blocked",
    "country_blocked", "region_policy", "device_policy", "domain_restricted", "link_expired",
    "link_revoked", "link_gone", "link_unknown", "link_limit", "link_password", "rate_limited",
    "malware",
})  # fmt: skip
ERROR_REASONS: Final = frozenset({
    "not_found", "conflict", "locked", "invalid_request", "too_large", "quota",
    "checksum_mismatch", "aborted", "timeout", "server_error", "storage_error", "unavailable",
    "truncated", "deleted", "corrupt_archive", "nul_run",
})  # fmt: skip


def reason_text(reason: str) -> str:
    """Return the words for a reason: `domain_restricted` gives `domain restricted`."""
    return _WORDS.get(reason, reason.replace("_", " "))


def outcome(result: str) -> str:
    """Return `event.outcome` of an `audit.result`."""
    return "success" if result == "success" else "failure"


def category(action: str, result: str) -> list[str] | None:
    """Return `event.category`, sorted; None for an unknown action."""
    known = ACTIONS.get(action)
    if known is None:
        return None
    if result == "denied":
        return sorted({*known.category, "api"})
    return list(known.category)


def kind_of_act(action: str, result: str) -> list[str] | None:
    """Return `event.type`, sorted; None for an unknown action."""
    known = ACTIONS.get(action)
    if known is None:
        return None
    return ["access", "denied"] if result == "denied" else list(known.type)
