"""Record -> the groups of fields of an event. Each function gives one group, or None.

All texts are within their limits already; nothing here looks at clock, file or memory.
"""

from typing import Protocol

from auditship_agent.line import Record
from auditship_agent.normalize.limits import fits
from auditship_indexer.clock import iso_ms
from auditship_indexer.event.document import (
    ApiKey,
    Bytes,
    Changes,
    Error,
    File,
    Hash,
    Http,
    Named,
    Permissions,
    Person,
    Previous,
    Request,
    Response,
    Share,
    Target,
    User,
)
from auditship_indexer.event.fields import FIELDS, MAX_LIST

_EXTENSION_LIMIT = FIELDS["file.extension"].limit


def unique(items: list[str] | None) -> list[str] | None:
    """Return a list as the schema wants it: sorted, unique, without empty texts, not empty."""
    if not items:
        return None
    return sorted({item for item in items if item})[:MAX_LIST] or None


def named(id_: str | None, name: str | None) -> Named | None:
    """Return an id with a name."""
    if id_ is None and name is None:
        return None
    return Named(id_, name)


def actor_of(record: Record) -> str:
    """Return the User column: e-mail, else name, else id; key id; system, anonymous, unknown."""
    kind = record.actor
    if kind in {"anonymous", "system"}:
        return str(kind)
    if kind == "api_key" and (key := record.key_id or record.key_name):
        return key
    return record.user_email or record.user_name or record.user_id or "unknown"


def user_of(record: Record) -> User | None:
    """Return `user.*`: who acted, as whom, and whom the act is about."""
    nobody = record.user_email is None and record.user_id is None and record.user_name is None
    if nobody and is_plain_user(record):
        return None
    effective = target = None
    if record.effective_id or record.effective_email or record.effective_name:
        effective = Person(record.effective_email, record.effective_id, record.effective_name)
    old, new = unique(record.old_roles), unique(record.new_roles)
    if record.target_id or record.target_email or record.target_name or old:
        target = Target(record.target_email, record.target_id, record.target_name, old)
    user = User(
        Changes(new) if new else None,
        effective,
        record.user_email,
        record.user_id,
        record.user_name,
        unique(record.user_roles),
        target,
    )
    return None if nobody and user == _NO_USER else user  # lists may have been empty


_NO_USER = User()


def is_plain_user(record: Record) -> bool:
    """Return whether `user.*` holds nothing but id, e-mail and name."""
    return (
        record.user_roles is None
        and record.target_id is None
        and record.target_email is None
        and record.target_name is None
        and record.new_roles is None
        and record.old_roles is None
        and record.effective_id is None
        and record.effective_email is None
        and record.effective_name is None
    )


def api_key_of(record: Record) -> ApiKey | None:
    """Return `api_key.*`."""
    target = named(record.target_key_id, record.target_key_name)
    if target is None and record.key_id is None and record.key_name is None:
        return None
    return ApiKey(record.key_id, record.key_name, target)


def name_files(record: Record) -> None:
    """Take names from the paths, before either is cut."""
    if record.file_name is None:
        record.file_name = last_segment(record.file_path)
    if record.previous_name is None:
        record.previous_name = last_segment(record.previous_path)


def file_of(record: Record) -> File | None:
    """Return `file.*`, with the directory and extension that path and name imply."""
    path, name = record.file_path, record.file_name
    if name is None and path is None and _has_no_file(record):
        return None
    directory = None
    if path is not None:
        directory = path.rstrip("/").rpartition("/")[0] or "/"
    previous = None
    if record.previous_name is not None or record.previous_path is not None:
        previous = Previous(record.previous_name, record.previous_path)
    return File(
        directory,
        extension_of(name, record.file_type),
        record.folder_id,
        Hash(record.file_sha256) if record.file_sha256 else None,
        record.file_id,
        record.file_mime_type,
        name,
        path,
        previous,
        record.file_size,
        record.file_type,
        record.file_version,
    )


def _has_no_file(record: Record) -> bool:
    """Return whether nothing but name and path could make `file.*`."""
    return (
        record.file_id is None
        and record.file_size is None
        and record.file_type is None
        and record.file_version is None
        and record.folder_id is None
        and record.file_mime_type is None
        and record.file_sha256 is None
        and record.previous_name is None
        and record.previous_path is None
    )


def last_segment(path: str | None) -> str | None:
    """Return the last segment of a path, None where there is none."""
    return (path or "").rstrip("/").rpartition("/")[2] or None


def extension_of(name: str | None, kind: str | None) -> str | None:
    """Return what stands behind the last dot, lower-cased; longer than 32 bytes is no extension."""
    if name is None or kind == "dir" or "/" in name:
        return None
    extension = name.rpartition(".")[2] if "." in name else ""
    if not extension:
        return None
    extension = extension.lower()
    return extension if fits(extension, _EXTENSION_LIMIT) else None


def share_of(record: Record, share_id: str | None) -> Share | None:
    """Return `share.*`: the link and its policy at that time."""
    if share_id is None and _has_no_share(record):
        return None
    share = Share(
        unique(record.share_domains),
        unique(record.share_ips),
        record.share_attempt,
        None if record.share_expires_ms is None else iso_ms(record.share_expires_ms),
        share_id,
        record.share_max_downloads,
        record.share_owner,
        record.share_protected,
        record.share_scope,
    )
    return None if share_id is None and share == _NO_SHARE else share  # lists may be empty


_NO_SHARE = Share()


def _has_no_share(record: Record) -> bool:
    """Return whether nothing but the id could make `share.*`."""
    return (
        record.share_owner is None
        and record.share_scope is None
        and record.share_domains is None
        and record.share_ips is None
        and record.share_protected is None
        and record.share_expires_ms is None
        and record.share_max_downloads is None
        and record.share_attempt is None
    )


class Exchange(Protocol):
    """What is known of a request over HTTP and its reply."""

    @property
    def method(self) -> str | None:
        """The verb of the request."""

    @property
    def request_id(self) -> str | None:
        """The id under which the application knows the request."""

    @property
    def bytes_in(self) -> int | None:
        """Bytes of the request's body."""

    @property
    def status(self) -> int | None:
        """Status code of the reply."""

    @property
    def bytes_out(self) -> int | None:
        """Bytes of the reply's body."""


def http_of(record: Exchange) -> Http | None:
    """Return `http.*`."""
    request = response = None
    if record.method is not None or record.request_id is not None or record.bytes_in is not None:
        body = None if record.bytes_in is None else Bytes(record.bytes_in)
        request = Request(body, record.request_id, record.method)
    if record.status is not None or record.bytes_out is not None:
        body = None if record.bytes_out is None else Bytes(record.bytes_out)
        response = Response(body, record.status)
    if request is None and response is None:
        return None
    return Http(request, response)


def permissions_of(record: Record) -> Permissions | None:
    """Return `audit.permissions.*`."""
    added, removed = unique(record.permissions_added), unique(record.permissions_removed)
    return Permissions(added, removed) if added or removed else None


def error_of(record: Record) -> Error | None:
    """Return `error.*`."""
    if record.error_code is None and record.error_message is None:
        return None
    return Error(record.error_code, record.error_message)
