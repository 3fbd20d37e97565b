"""Files and folders of the demo's storage server: each act leaves its one line, whole."""

import hashlib
import socket
from typing import Any

import pytest

from support.storage_site import (
    CONTENT,
    DRAFT,
    EAST,
    EU,
    HERE,
    JOHN,
    NOW,
    SARAH,
    VIEWER,
    Site,
    W,
    act,
)


def test_upload_is_told_with_size_hash_and_begin(site: Site) -> None:
    """A new file is `file.upload`; the same path again is `file.update` with the next version."""
    for version, status, action in (("v1", 201, "file.upload"), ("v2", 200, "file.update")):
        content = version.encode() * 500
        site.ask(JOHN, "PUT", f"{W}/files/renders/a%20b.mp4", status=status, data=content)
        file = {
            "id": "f_101",
            "name": "a b.mp4",
            "path": "/renders/a b.mp4",
            "type": "file",
            "size": 1000,
            "version": version,
            "sha256": hashlib.sha256(content).hexdigest(),
            "mime_type": "video/mp4",
        }
        moved = {"started": NOW, "bytes_in": 1000, **HERE}
        assert site.last() == act(action, JOHN, "PUT", status, file=file, **moved)


def test_download_names_both_regions(site: Site) -> None:
    """A file served by one region from another has the other as its storage region."""
    reply = site.ask(VIEWER, "GET", f"{W}/files/draft.mp4", region=EAST)
    assert reply.content == CONTENT
    moved = {"started": NOW, "bytes_out": 1000, **HERE}
    assert site.last(EAST) == act("file.download", VIEWER, "GET", 200, file=DRAFT, **moved)
    assert not site.lines(EU)


@pytest.mark.parametrize("region", [EU, EAST])
def test_a_range_is_told_as_partial(site: Site, region: str) -> None:
    """A range keeps the size of the file and tells the bytes that moved."""
    headers = {"Range": "bytes=10-19"}
    reply = site.ask(
        VIEWER, "GET", f"{W}/files/draft.mp4", region=region, status=206, headers=headers
    )
    assert (reply.content, reply.headers["Content-Range"]) == (CONTENT[10:20], "bytes 10-19/1000")
    moved = {"started": NOW, "bytes_out": 10, "partial": True, **HERE}
    assert site.last(region) == act("file.download", VIEWER, "GET", 206, file=DRAFT, **moved)


@pytest.mark.parametrize(
    ("path", "headers", "status", "action"),
    [
        ("draft.mp4?view=preview", {}, 200, "file.preview"),
        ("draft.mp4?view=info", {}, 200, "file.access"),
        ("draft.mp4", {"If-None-Match": f'"{DRAFT["sha256"]}"'}, 304, "file.access"),
    ],
)
def test_looking_is_no_download(
    site: Site, path: str, headers: dict[str, str], status: int, action: str
) -> None:
    """Preview, properties and revalidation are acts of their own."""
    site.ask(SARAH, "GET", f"{W}/files/{path}", status=status, headers=headers)
    assert site.last() == act(action, SARAH, "GET", status, file=DRAFT, **HERE)


def test_listing_tells_the_folder(site: Site) -> None:
    """A path with a slash at its end lists; the root has no name."""
    assert site.ask(SARAH, "GET", f"{W}/files/").json()["names"] == ["archive", "draft.mp4"]
    assert site.last() == act("file.list", SARAH, "GET", 200, file={"path": "/", "type": "dir"})
    site.ask(SARAH, "GET", f"{W}/files/archive/")
    file = {"name": "archive", "path": "/archive", "type": "dir"}
    assert site.last() == act("file.list", SARAH, "GET", 200, file=file)


def test_rename_move_copy_tell_the_old_path(site: Site) -> None:
    """The file of the line is the new one, with what it was before."""
    steps: list[tuple[str, dict[str, str], int, dict[str, Any]]] = [
        ("rename", {"path": "/draft.mp4", "name": "cut.mp4"}, 200, {"previous_name": "draft.mp4"}),
        ("move", {"path": "/cut.mp4", "to": "/archive/cut.mp4"}, 200, {}),
        ("copy", {"path": "/archive/cut.mp4", "to": "/copy.mp4"}, 201, {"id": "f_100"}),
    ]
    for verb, wish, status, more in steps:
        site.ask(JOHN, "POST", f"{W}/{verb}", status=status, json=wish)
        path = wish.get("to", "/cut.mp4")
        names = {"name": path.rpartition("/")[2], "path": path, "previous_path": wish["path"]}
        file = DRAFT | names | more
        assert site.last() == act(f"file.{verb}", JOHN, "POST", status, file=file, **HERE)


def test_bin_restore_purge(site: Site) -> None:
    """Delete puts into the bin, restore takes out, purge destroys the bytes."""
    blobs = site.folder / EU / "blobs"
    for method, path, action in (
        ("DELETE", "files/draft.mp4", "file.delete"),
        ("POST", "restore", "file.restore"),
        ("DELETE", "files/draft.mp4", "file.delete"),
        ("POST", "purge", "file.purge"),
    ):
        assert any(p.is_file() for p in blobs.rglob("*"))
        site.ask(JOHN, method, f"{W}/{path}", json={"file": "f_30"})
        assert site.last() == act(action, JOHN, method, 200, file=DRAFT, **HERE)
    assert not any(p.is_file() for p in blobs.rglob("*"))


def test_versions(site: Site) -> None:
    """A restored version is told by its number and its bytes come back as the newest one."""
    site.ask(JOHN, "PUT", f"{W}/files/draft.mp4", data=b"new")
    site.ask(JOHN, "POST", f"{W}/restore", json={"file": "f_30", "version": "v1"})
    assert site.last() == act("file.restore", JOHN, "POST", 200, file=DRAFT, **HERE)
    assert site.ask(JOHN, "GET", f"{W}/files/draft.mp4").content == CONTENT
    site.ask(JOHN, "POST", f"{W}/purge", json={"file": "f_30", "version": "v2"})
    assert site.last()["file"]["version"] == "v2"
    site.ask(JOHN, "GET", f"{W}/files/draft.mp4?version=v2", status=404)
    assert (site.last()["result"], site.last()["reason"]) == ("error", "not_found")


def test_folder_create(site: Site) -> None:
    """A folder is a file of type dir."""
    site.ask(JOHN, "POST", f"{W}/folders", status=201, json={"path": "/new"})
    file = {"id": "d_100", "name": "new", "path": "/new", "type": "dir"}
    assert site.last() == act("folder.create", JOHN, "POST", 201, file=file)


def test_quota_and_checksum(site: Site) -> None:
    """An upload that fails leaves a line and no bytes."""
    path = f"{W}/files/big.bin"
    site.ask(JOHN, "PUT", path, status=507, data=bytes(100_000))
    file = {"name": "big.bin", "path": "/big.bin", "size": 100_000}
    error = {"code": "E_QUOTA", "message": "workspace is full"}
    failed = {"result": "error", "reason": "quota", "error": error, "file": file}
    assert site.last() == act("file.upload", JOHN, "PUT", 507, **failed)
    headers = {"X-Content-Sha256": "0" * 64}
    site.ask(JOHN, "PUT", path, status=422, data=b"other", headers=headers)
    assert site.last()["reason"] == "checksum_mismatch"
    kept = [path for path in (site.folder / EU).rglob("*") if path.is_file()]
    assert [path.name for path in kept] == ["b_f_30"]


def test_an_upload_that_breaks_off_is_aborted(site: Site) -> None:
    """The sender goes away before the last byte: an error, and the file does not appear."""
    head = ["PUT " + W + "/files/half.bin HTTP/1.1", "Host: x", "Content-Length: 1000"]
    key = site.ask(JOHN, "POST", f"{W}/keys", status=201, json={"name": "k"}).json()["key"]
    with socket.create_connection(("127.0.0.1", site.servers[EU].server_port)) as wire:
        wire.sendall("\r\n".join([*head, f"X-Api-Key: {key}", "", ""]).encode() + bytes(500))
        wire.shutdown(socket.SHUT_WR)
        while wire.recv(4096):
            pass
    line = site.lines()[-1]
    assert (line["action"], line["result"], line["reason"]) == ("file.upload", "error", "aborted")
    assert line["file"] == {"name": "half.bin", "path": "/half.bin", "size": 1000}
    site.ask(JOHN, "GET", f"{W}/files/half.bin", status=404)


def test_bytes_of_a_region_that_is_away(site: Site) -> None:
    """A file of an unreachable region is an error with an honest status."""
    site.ask(JOHN, "PUT", f"{W}/files/east.bin", region=EAST, status=201, data=b"x" * 10)
    site.ask(JOHN, "GET", f"{W}/files/east.bin", status=503)  # eu knows no address of us-east-1
    line = site.last()
    assert (line["result"], line["reason"]) == ("error", "unavailable")
    assert line["storage_region"] == EAST
