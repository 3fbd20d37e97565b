"""Bytes in and out: upload, download (ranges too), preview."""

import base64
import re
import sqlite3
from http import HTTPStatus
from typing import Any

from storage_server.call import Call, Reply
from storage_server.files import (
    add_file,
    clean_path,
    demand,
    find,
    find_by_id,
    mime_type,
    name_file,
    taken,
)
from storage_server.refusal import failed
from storage_server.rights import require

PREVIEW_BYTES = 512
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def upload(call: Call) -> Reply:
    """Store the body as a new file, or as a new version of one: `PUT …/files/P`."""
    path = clean_path(call.params["path"])
    require(call, "write", path)
    return deposit(call, path, overwrite=True)


def deposit(call: Call, path: str, *, overwrite: bool) -> Reply:
    """Stream the body to the disk of this region, then let the file appear, whole.

    Raises:
        RefusedError: no length was announced, the workspace is full (`quota`), the sender went
            away (`aborted`), the hash is another (`checksum_mismatch`), the path is taken.
    """
    size = call.length
    if size is None:
        raise failed("invalid_request", status=411, hint="Content-Length is needed")
    call.fields["file"] |= {"size": size}
    check_quota(call, size)
    blob = call.site.world.new_id("b")
    call.starting()
    received = call.site.blobs.receive(call.source, size, blob)
    call.consumed = True
    try:
        _check_hash(call, received.sha256)
        status, row = _publish(call, path, blob, received.sha256, overwrite=overwrite)
    except BaseException:
        call.site.blobs.remove(blob, call.site.region)
        raise
    body = {"id": row["id"], "path": path, "version": f"v{row['number']}", "size": row["size"]}
    return Reply(status, {**body, "sha256": row["sha256"], "region": row["region"]})


def _check_hash(call: Call, sha256: str) -> None:
    wanted = call.headers.get("x-content-sha256", sha256)
    if wanted.lower() != sha256:
        raise failed("checksum_mismatch", status=422)


def check_quota(call: Call, size: int) -> None:
    """Refuse what the workspace has no room for."""
    workspace = call.params["workspace"]
    quota, used = call.db.execute(
        "SELECT quota_bytes, (SELECT coalesce(sum(size), 0) FROM versions v"
        " JOIN files f ON f.id = v.file WHERE f.workspace = w.id)"
        " FROM workspaces w WHERE id = ?",
        (workspace,),
    ).fetchone()
    if quota is not None and used + size > quota:
        error = {"code": "E_QUOTA", "message": "workspace is full"}
        raise failed("quota", status=HTTPStatus.INSUFFICIENT_STORAGE, error=error)


def _publish(
    call: Call, path: str, blob: str, sha256: str, *, overwrite: bool
) -> tuple[int, sqlite3.Row]:
    """Add file or version in one transaction with the audit line."""
    old = find(call, path)
    status = 200 if old is not None else 201
    try:
        with call.change(status) as db:
            old = find(call, path)
            if old is not None and (old["type"] == "dir" or not overwrite):
                raise taken(path)
            file = old["id"] if old is not None else call.site.world.new_id("f")
            if old is None:
                add_file(db, call.params["workspace"], file, path)
            _add_version(call, file, path, blob, sha256)
            row = demand(find_by_id(call, file))
            name_file(call, row)
            call.fields["bytes_in"] = row["size"]
            if call.action in {"file.upload", "file.update"}:
                call.action = "file.upload" if old is None else "file.update"
    except sqlite3.IntegrityError as error:
        raise taken(path) from error
    return status, row


def _add_version(call: Call, file: str, path: str, blob: str, sha256: str) -> None:
    call.db.execute(
        "INSERT INTO versions SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5, ?6"
        " FROM versions WHERE file = ?1",
        (file, blob, call.length, sha256, mime_type(path), call.site.region),
    )
    call.db.execute(
        "UPDATE files SET version = (SELECT max(number) FROM versions WHERE file = ?1)"
        " WHERE id = ?1",
        (file,),
    )


def download(call: Call) -> Reply:
    """Send a file, a range of it, or an old version: `GET …/files/P[?version=v1]`."""
    path = clean_path(call.params["path"])
    require(call, "read", path)
    version = call.query.get("version", "").removeprefix("v")
    number = int(version) if re.fullmatch("[0-9]{1,9}", version) else None
    row = demand(find(call, path, number=number), kind="file")
    if row["number"] is None:
        raise failed("not_found", status=404, hint="no such version")
    name_file(call, row)
    if call.headers.get("if-none-match") == f'"{row["sha256"]}"':
        call.action = "file.access"  # revalidated: nothing is transferred
        return Reply(HTTPStatus.NOT_MODIFIED)
    return send(call, row)


def send(call: Call, row: sqlite3.Row | dict[str, Any]) -> Reply:
    """Return the bytes of a file from wherever they lie; its line is written near the end."""
    start, length = byte_range(call.headers.get("range", ""), row["size"])
    call.starting()
    pieces = call.site.blobs.pieces(row["blob"], row["region"], start, length)
    partial = length != row["size"]
    call.fields |= {"bytes_out": length, "partial": partial or None}
    headers = {
        "Content-Type": row["mime_type"],
        "ETag": f'"{row["sha256"]}"',
        "Accept-Ranges": "bytes",
    }
    if partial:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{row['size']}"
    status = HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK
    return Reply(status, headers=headers, pieces=pieces, length=length)


def byte_range(text: str, size: int) -> tuple[int, int]:
    """Return start and length of a single range (RFC 9110, section 14); anything else is all.

    Raises:
        RefusedError: the range lies beyond the end (`invalid_request`, 416).
    """
    match = RANGE.fullmatch(text.strip())
    if match is None or match.group(1, 2) == ("", ""):
        return 0, size
    first, last = match.group(1, 2)
    if not first:
        length = min(int(last), size)
        start, end = size - length, size
    else:
        start = int(first)
        end = min(int(last) + 1, size) if last else size
    if start >= size or end <= start:
        raise failed("invalid_request", status=416, hint="no such range")
    return start, end - start


def preview(call: Call) -> Reply:
    """Show the head of a file without handing over the file: `GET …/files/P?view=preview`."""
    path = clean_path(call.params["path"])
    require(call, "read", path)
    row = demand(find(call, path), kind="file")
    name_file(call, row)
    length = min(PREVIEW_BYTES, row["size"])
    head = b"".join(call.site.blobs.pieces(row["blob"], row["region"], 0, length))
    return Reply(body={"name": path.rpartition("/")[2], "head": base64.b64encode(head).decode()})
