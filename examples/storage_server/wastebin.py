"""The bin and the history of versions: restore, purge."""

import re
import sqlite3

from storage_server.call import Call, Reply
from storage_server.files import demand, find_by_id, name_file, taken
from storage_server.refusal import failed
from storage_server.rights import require


def restore(call: Call) -> Reply:
    """Take a file out of the bin, or make an old version current: `{file, version?}`."""
    number = _number(call)
    row = _claim(call, number)
    require(call, "write", row["path"])
    if number is None and row["deleted_ms"] is None:
        raise failed("conflict", status=409, hint="the file is not in the bin")
    try:
        with call.change() as db:
            if number is None:
                db.execute("UPDATE files SET deleted_ms = NULL WHERE id = ?", (row["id"],))
            else:
                _add_again(db, row["id"], number)
    except sqlite3.IntegrityError as error:
        raise taken(row["path"]) from error
    return Reply(body={"id": row["id"], "path": row["path"]})


def _add_again(db: sqlite3.Connection, file: str, number: int) -> None:
    """Give the file a newest version with the bytes of an old one; history is never rewritten."""
    db.execute(
        "INSERT INTO versions SELECT file, (SELECT max(number) + 1 FROM versions WHERE file = ?1),"
        " blob, size, sha256, mime_type, region FROM versions WHERE file = ?1 AND number = ?2",
        (file, number),
    )
    db.execute(
        "UPDATE files SET deleted_ms = NULL,"
        " version = (SELECT max(number) FROM versions WHERE file = ?1) WHERE id = ?1",
        (file,),
    )


def purge(call: Call) -> Reply:
    """Destroy a file that lies in the bin, or one old version: `{file, version?}`."""
    number = _number(call)
    row = _claim(call, number)
    require(call, "admin", row["path"])
    with call.change() as db:
        orphans = _forget(db, row, number)
    for orphan in orphans:
        call.site.blobs.remove(orphan["blob"], orphan["region"])
    return Reply(body={"id": row["id"]})


def _forget(db: sqlite3.Connection, row: sqlite3.Row, number: int | None) -> list[sqlite3.Row]:
    """Delete rows; return the blobs that no version needs any more."""
    current = db.execute("SELECT * FROM files WHERE id = ?", (row["id"],)).fetchone()
    if number is None and current["deleted_ms"] is None:
        raise failed("conflict", status=409, hint="the file is not in the bin")
    if number is not None and number == current["version"]:
        raise failed("conflict", status=409, hint="the version is the current one")
    gone = db.execute(
        "SELECT DISTINCT blob, region FROM versions"
        " WHERE file = ?1 AND (?2 IS NULL OR number = ?2)",
        (row["id"], number),
    ).fetchall()
    if number is not None:
        db.execute("DELETE FROM versions WHERE file = ? AND number = ?", (row["id"], number))
    else:
        _forget_file(db, row["id"])
    used = "SELECT 1 FROM versions WHERE blob = ? LIMIT 1"
    return [each for each in gone if db.execute(used, (each["blob"],)).fetchone() is None]


def _forget_file(db: sqlite3.Connection, file: str) -> None:
    db.execute("DELETE FROM attempts WHERE link IN (SELECT id FROM links WHERE file = ?)", (file,))
    db.execute("DELETE FROM links WHERE file = ?", (file,))
    db.execute("DELETE FROM versions WHERE file = ?", (file,))
    db.execute("DELETE FROM files WHERE id = ?", (file,))


def _number(call: Call) -> int | None:
    version = call.body.get("version")
    if version is None:
        return None
    text = str(version).removeprefix("v")
    if not re.fullmatch("[0-9]{1,9}", text):
        raise failed("invalid_request", status=400, hint="version: v1, v2, … is needed")
    return int(text)


def _claim(call: Call, number: int | None) -> sqlite3.Row:
    """Find the file that the body names and put it into the line."""
    file = call.text("file")
    call.fields["file"] = {"id": file}
    row = demand(find_by_id(call, file, number=number))
    name_file(call, row)
    if row["type"] == "file" and row["number"] is None:
        raise failed("not_found", status=404, hint="no such version")
    return row
