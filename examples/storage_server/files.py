"""Files and folders: list, look, rename, move, copy, bin, versions."""

import mimetypes
import sqlite3
from typing import Any

from storage_server.call import Call, Reply
from storage_server.refusal import RefusedError, failed
from storage_server.rights import require

CURRENT = (
    "SELECT f.id, f.workspace, f.path, f.type, f.deleted_ms, v.number, v.blob, v.size, v.sha256,"
    " v.mime_type, v.region FROM files f LEFT JOIN versions v"
    " ON v.file = f.id AND v.number = coalesce(:number, f.version)"
)


def clean_path(text: str) -> str:
    """Return an absolute path without empty, `.` and `..` parts.

    Raises:
        RefusedError: the text has such parts, or a NUL (`invalid_request`).
    """
    parts = text.strip("/").split("/")
    if "\0" in text or any(part in {"", ".", ".."} for part in parts):
        raise failed("invalid_request", status=400, hint="not a path in a workspace")
    return "/" + "/".join(parts)


def find(call: Call, path: str, *, number: int | None = None) -> sqlite3.Row | None:
    """Return the file or folder at `path` with its current (or numbered) version."""
    row: sqlite3.Row | None = call.db.execute(
        f"{CURRENT} WHERE f.workspace = :workspace AND f.path = :path AND f.deleted_ms IS NULL",
        {"workspace": call.params["workspace"], "path": path, "number": number},
    ).fetchone()
    return row


def find_by_id(call: Call, file: str, *, number: int | None = None) -> sqlite3.Row | None:
    """Return the file with this id, in the bin or not."""
    row: sqlite3.Row | None = call.db.execute(
        f"{CURRENT} WHERE f.workspace = :workspace AND f.id = :file",
        {"workspace": call.params["workspace"], "file": file, "number": number},
    ).fetchone()
    return row


def demand(row: sqlite3.Row | None, *, kind: str | None = None) -> sqlite3.Row:
    """Return the row.

    Raises:
        RefusedError: there is none (`not_found`), or it is of another kind (`invalid_request`).
    """
    if row is None:
        raise failed("not_found", status=404)
    if kind and row["type"] != kind:
        raise failed("invalid_request", status=400, hint=f"not a {kind}")
    return row


def name_file(call: Call, row: sqlite3.Row, **more: Any) -> None:
    """Put the file into the line, with where its bytes are."""
    call.fields["file"] = file_fields(row, **more)
    if row["region"]:
        call.fields["storage_region"] = row["region"]


def file_fields(row: sqlite3.Row, **more: Any) -> dict[str, Any]:
    """Return the file object of the line."""
    number = row["number"]
    return {
        "id": row["id"],
        "name": row["path"].rpartition("/")[2],
        "path": row["path"],
        "type": row["type"],
        "size": row["size"],
        "version": f"v{number}" if number else None,
        "sha256": row["sha256"],
        "mime_type": row["mime_type"],
        **more,
    }


def claim_path(call: Call, path: str) -> None:
    """Put a path that may lead nowhere into the line, before anything is decided."""
    row = find(call, path)
    if row is not None:
        name_file(call, row)
    else:
        call.fields["file"] = {"name": path.rpartition("/")[2], "path": path}


def mime_type(path: str) -> str:
    """Guess the media type from the name."""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def list_folder(call: Call) -> Reply:
    """List the children of a folder: `GET …/files/renders/`."""
    path = "/" + call.params["path"].strip("/")
    call.fields["file"] = {"name": path.rpartition("/")[2], "path": path, "type": "dir"}
    require(call, "read", path)
    below = path.rstrip("/") + "/"
    rows = call.db.execute(
        "SELECT path FROM files WHERE workspace = ? AND deleted_ms IS NULL"
        " AND substr(path, 1, ?) = ?",
        (call.params["workspace"], len(below), below),
    ).fetchall()
    if not rows and path != "/" and find(call, path) is None:
        raise failed("not_found", status=404)
    names = sorted({row["path"][len(below) :].partition("/")[0] for row in rows})
    return Reply(body={"path": path, "names": names})


def inspect(call: Call) -> Reply:
    """Show a file's properties and versions without its bytes: `GET …/files/P?view=info`."""
    path = clean_path(call.params["path"])
    require(call, "read", path)
    row = demand(find(call, path))
    name_file(call, row)
    versions = call.db.execute(
        "SELECT number, size, sha256, region FROM versions WHERE file = ? ORDER BY number",
        (row["id"],),
    ).fetchall()
    return Reply(body={**file_fields(row), "versions": [dict(each) for each in versions]})


def create_folder(call: Call) -> Reply:
    """Make a folder: `POST …/folders {path}`."""
    path = clean_path(call.text("path"))
    name = path.rpartition("/")[2]
    call.fields["file"] = {"name": name, "path": path, "type": "dir"}
    require(call, "write", path)
    folder = call.site.world.new_id("d")
    call.fields["file"] |= {"id": folder}
    try:
        with call.change(201) as db:
            db.execute(
                "INSERT INTO files (id, workspace, path, type) VALUES (?, ?, ?, 'dir')",
                (folder, call.params["workspace"], path),
            )
    except sqlite3.IntegrityError as error:
        raise taken(path) from error
    return Reply(201, {"id": folder, "path": path})


def taken(path: str) -> RefusedError:
    """Return the failure of an act whose target exists."""
    return failed("conflict", status=409, hint=f"{path} exists")


def relocate(call: Call) -> Reply:
    """Rename or move a file or a folder with all below it: `{path, name}` or `{path, to}`."""
    old = clean_path(call.text("path"))
    claim_path(call, old)
    require(call, "write", old)
    folder = old.rpartition("/")[0]
    renaming = call.action == "file.rename"
    new = clean_path(f"{folder}/{call.text('name')}" if renaming else call.text("to"))
    require(call, "write", new)
    if renaming and new.rpartition("/")[0] != folder:
        raise failed("invalid_request", status=400, hint="a name has no /")
    try:
        with call.change() as db:
            row = demand(find(call, old))
            _move_subtree(db, call.params["workspace"], old, new)
            previous = {"previous_path": old}
            if renaming:
                previous["previous_name"] = old.rpartition("/")[2]
            name_file(call, demand(find_by_id(call, row["id"])), **previous)
    except sqlite3.IntegrityError as error:
        raise taken(new) from error
    return Reply(body={"id": row["id"], "path": new})


def _move_subtree(db: sqlite3.Connection, workspace: str, old: str, new: str) -> None:
    below = old + "/"
    db.execute(
        "UPDATE files SET path = ? || substr(path, ?)"
        " WHERE workspace = ? AND deleted_ms IS NULL AND (path = ? OR substr(path, 1, ?) = ?)",
        (new, len(old) + 1, workspace, old, len(below), below),
    )


def copy(call: Call) -> Reply:
    """Copy a file, its current version only; both share the bytes: `{path, to}`."""
    old = clean_path(call.text("path"))
    claim_path(call, old)
    new = clean_path(call.text("to"))
    require(call, "read", old)
    require(call, "write", new)
    file = call.site.world.new_id("f")
    try:
        with call.change(201) as db:
            row = demand(find(call, old), kind="file")
            add_file(db, call.params["workspace"], file, new)
            db.execute(
                "INSERT INTO versions SELECT ?, 1, blob, size, sha256, mime_type, region"
                " FROM versions WHERE file = ? AND number = ?",
                (file, row["id"], row["number"]),
            )
            name_file(call, demand(find_by_id(call, file)), previous_path=old)
    except sqlite3.IntegrityError as error:
        raise taken(new) from error
    return Reply(201, {"id": file, "path": new})


def add_file(db: sqlite3.Connection, workspace: str, file: str, path: str) -> None:
    """Insert a file whose first version follows in the same transaction."""
    db.execute(
        "INSERT INTO files (id, workspace, path, type, version) VALUES (?, ?, ?, 'file', 1)",
        (file, workspace, path),
    )


def delete(call: Call) -> Reply:
    """Put a file or an empty folder into the bin: `DELETE …/files/P`."""
    path = clean_path(call.params["path"])
    require(call, "write", path)
    with call.change() as db:
        row = demand(find(call, path))
        name_file(call, row)
        if row["type"] == "dir" and _has_children(db, row):
            raise failed("conflict", status=409, hint="the folder is not empty")
        db.execute(
            "UPDATE files SET deleted_ms = ? WHERE id = ?",
            (call.site.world.now_ms(), row["id"]),
        )
    return Reply(body={"id": row["id"]})


def _has_children(db: sqlite3.Connection, folder: sqlite3.Row) -> bool:
    below = folder["path"] + "/"
    found = db.execute(
        "SELECT 1 FROM files WHERE workspace = ? AND deleted_ms IS NULL"
        " AND substr(path, 1, ?) = ? LIMIT 1",
        (folder["workspace"], len(below), below),
    )
    return found.fetchone() is not None
