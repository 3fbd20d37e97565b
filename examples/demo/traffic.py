"""An ordinary day, in a few seconds: a mix of requests drawn with a fixed seed."""

import random
from dataclasses import dataclass, replace

from demo.cast import CLIENT, EU, FILM, GUEST, JOHN, MIKE, PUBLIC, REGIONS, SARAH, Person
from demo.ledger import Expected
from demo.player import Player, does, files

EDITORS = (JOHN, SARAH, MIKE)
ENDINGS = ("mov", "wav", "pdf", "srt", "jpg")
PUBLIC_FILES = {"press-kit.zip": b"press kit" * 4000, "logo.svg": b"<svg/>" * 40}


@dataclass
class Kept:
    """A file that the script knows to exist."""

    path: str
    id: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return self.path.rpartition("/")[2]


class Day:
    """Draws what happens next; knows the files, so that each reply can be foretold."""

    def __init__(self, player: Player, chance: random.Random) -> None:
        self._player = player
        self._chance = chance
        self._files: list[Kept] = []
        self._binned: list[Kept] = []
        self._made = 0

    def play(self, requests: int) -> None:
        """Send about `requests` requests."""
        weights = {
            self._upload: 10,
            self._download: 14,
            self._part: 6,
            self._revalidate: 4,
            self._look: 6,
            self._update: 5,
            self._rename: 4,
            self._delete: 5,
            self._restore: 4,
            self._missing: 3,
            self._wrong_password: 2,
            self._outsider: 4,
            self._public: 14,
            self._public_oddity: 4,
        }
        self._upload()
        for step in self._chance.choices(list(weights), list(weights.values()), k=requests - 1):
            step()

    def _event(self, action: str, who: Person, file: str, **more: str) -> Expected:
        region = self._chance.choice(REGIONS)
        actor = who.email or "anonymous"
        return Expected(action, region, actor, workspace=FILM, file=file, **more)

    def _file(self) -> Kept:
        if not self._files:
            self._upload()
        return self._chance.choice(self._files)

    def _upload(self) -> None:
        who = self._chance.choice(EDITORS)
        self._made += 1
        path = f"/day/take {self._made:03d}.{self._chance.choice(ENDINGS)}"
        event = self._event("file.upload", who, path.rpartition("/")[2])
        content = self._chance.randbytes(self._chance.randint(1, 60_000))
        sent = self._player.act(who, "PUT", files(FILM, path), event, status=201, data=content)
        body = sent.json()
        self._files.append(Kept(path, body["id"], body["sha256"], body["size"]))

    def _update(self) -> None:
        file, who = self._file(), self._chance.choice(EDITORS)
        content = self._chance.randbytes(self._chance.randint(1, 60_000))
        event = self._event("file.update", who, file.name)
        sent = self._player.act(who, "PUT", files(FILM, file.path), event, data=content).json()
        file.sha256, file.size = sent["sha256"], sent["size"]

    def _download(self) -> None:
        file, who = self._file(), self._chance.choice((*EDITORS, CLIENT))
        event = self._event("file.download", who, file.name)
        self._player.act(who, "GET", files(FILM, file.path), event)

    def _part(self) -> None:
        file, who = self._file(), self._chance.choice((*EDITORS, CLIENT))
        event = self._event("file.download", who, file.name)
        whole = file.size == 1
        self._player.act(
            who,
            "GET",
            files(FILM, file.path),
            event,
            status=200 if whole else 206,
            headers={"Range": f"bytes=0-{file.size // 2 if not whole else 0}"},
        )

    def _revalidate(self) -> None:
        file, who = self._file(), self._chance.choice(EDITORS)
        event = self._event("file.access", who, file.name)
        known = {"If-None-Match": f'"{file.sha256}"'}
        self._player.act(who, "GET", files(FILM, file.path), event, status=304, headers=known)

    def _look(self) -> None:
        who = self._chance.choice((*EDITORS, CLIENT))
        if self._chance.random() < 0.5:  # noqa: PLR2004 - as often the one as the other
            self._file()
            event = self._event("file.list", who, "day")
            self._player.act(who, "GET", files(FILM, "/day/"), event)
            return
        file = self._file()
        event = self._event("file.preview", who, file.name)
        self._player.act(who, "GET", files(FILM, file.path), event, params={"view": "preview"})

    def _rename(self) -> None:
        file, who = self._file(), self._chance.choice(EDITORS)
        self._made += 1
        name = f"scene {self._made:03d} ä.{file.path.rpartition('.')[2]}"
        event = self._event("file.rename", who, name)
        wish = {"path": file.path, "name": name}
        self._player.act(who, "POST", does(FILM, "rename"), event, json=wish)
        file.path = f"/day/{name}"

    def _delete(self) -> None:
        file, who = self._file(), self._chance.choice(EDITORS)
        event = self._event("file.delete", who, file.name)
        self._player.act(who, "DELETE", files(FILM, file.path), event)
        self._files.remove(file)
        self._binned.append(file)

    def _restore(self) -> None:
        if not self._binned:
            self._delete()
        file, who = self._binned.pop(), self._chance.choice(EDITORS)
        event = self._event("file.restore", who, file.name)
        self._player.act(who, "POST", does(FILM, "restore"), event, json={"file": file.id})
        self._files.append(file)

    def _missing(self) -> None:
        who = self._chance.choice(EDITORS)
        event = self._event("file.download", who, "lost.mov", result="error", reason="not_found")
        self._player.act(who, "GET", files(FILM, "/day/lost.mov"), event, status=404)

    def _wrong_password(self) -> None:
        file, who = self._file(), replace(self._chance.choice(EDITORS), password="guess")  # noqa: S106 - a wrong one, on purpose
        refused = {"result": "denied", "reason": "bad_credentials"}
        event = replace(self._event("file.download", who, file.name, **refused), actor="anonymous")
        self._player.act(who, "GET", files(FILM, file.path), event, status=401)

    def _outsider(self) -> None:
        """Blocked: no member, or a member who may only read."""
        file = self._file()
        refused = {"result": "denied", "reason": "permission"}
        who, method, action = self._chance.choice(_OUTSIDE)
        event = self._event(action, who, file.name, **refused)
        self._player.act(who, method, files(FILM, file.path), event, status=403)

    def _public(self) -> None:
        who, name = self._chance.choice(PUBLIC), self._chance.choice(list(PUBLIC_FILES))
        event = _public_event("file.download", name)
        headers = {"Range": "bytes=0-99"} if self._chance.random() < 0.2 else {}  # noqa: PLR2004 - one in five
        status = 206 if headers else 200
        self._player.act(who, "GET", f"/public/{name}", event, status=status, headers=headers)

    def _public_oddity(self) -> None:
        who = self._chance.choice(PUBLIC)
        oddity = self._chance.choice((self._public_list, self._public_missing, self._public_head))
        oddity(who)

    def _public_list(self, who: Person) -> None:
        self._player.act(who, "GET", "/public/", _public_event("file.list", "public"))

    def _public_missing(self, who: Person) -> None:
        note = "a public 404 is no act"
        self._player.send(who, EU, "GET", "/public/none.zip", status=404, note=note)

    def _public_head(self, who: Person) -> None:
        self._player.send(who, EU, "HEAD", "/public/logo.svg", note="HEAD is no act")


_OUTSIDE = (
    (GUEST, "GET", "file.download"),
    (GUEST, "DELETE", "file.delete"),
    (CLIENT, "DELETE", "file.delete"),
)


def _public_event(action: str, name: str) -> Expected:
    return Expected(action, EU, file=name, dataset="caddy")
