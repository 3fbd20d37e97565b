"""The eight rows of the product's preview, over HTTP, in order, sizes scaled down by 1,000."""

import random
import time

from demo.cast import ACME_TOKEN, BRAND, CLIENT, EAST, EU, GUEST, JOHN, MIKE, SARAH, VISITOR, WEST
from demo.ledger import Expected
from demo.player import Player, does, files

RENDER_BYTES = 12_400_000
ASSETS_BYTES = 2_100_000
NEXT_MS_S = 0.002  # so that no two rows share a millisecond, by which a search sorts


def play_preview(player: Player, chance: random.Random) -> None:
    """Play rows 1 to 8."""
    render = "render-final.mp4"
    path = files(BRAND, f"/renders/{render}")
    row1 = Expected("file.upload", EU, "john@dosya.dev", workspace=BRAND, file=render)
    player.act(JOHN, "PUT", path, row1, status=201, data=chance.randbytes(RENDER_BYTES))
    time.sleep(NEXT_MS_S)
    row2 = Expected("file.download", EAST, "client@acme.com", workspace=BRAND, file=render)
    player.act(CLIENT, "GET", path, row2)
    time.sleep(NEXT_MS_S)
    row3 = Expected("share.create", EU, "john@dosya.dev", workspace=BRAND, file=render)
    wish = {"path": f"/renders/{render}"}
    made = player.act(JOHN, "POST", does(BRAND, "links"), row3, status=201, json=wish)
    time.sleep(NEXT_MS_S)
    row4 = Expected("share.open", WEST, workspace=BRAND, file=render)
    player.act(VISITOR, "GET", made.json()["url"], row4)
    time.sleep(NEXT_MS_S)
    _play_second_half(player, chance)


def _play_second_half(player: Player, chance: random.Random) -> None:
    draft = "old-draft-v2.mp4"
    row5 = Expected("file.delete", EU, "sarah@team.com", workspace=BRAND, file=draft)
    player.act(SARAH, "DELETE", files(BRAND, f"/{draft}"), row5)
    time.sleep(NEXT_MS_S)
    row6 = Expected("member.invite", EU, "john@dosya.dev", workspace=BRAND, target="mike@co.com")
    wish = {"email": "mike@co.com", "role": "Editor"}
    player.act(JOHN, "POST", does(BRAND, "invites"), row6, status=201, json=wish)
    time.sleep(NEXT_MS_S)
    row7 = Expected("file.upload", EAST, "mike@co.com", workspace=BRAND, file="assets.zip")
    content = chance.randbytes(ASSETS_BYTES)
    player.act(MIKE, "PUT", files(BRAND, "/assets.zip"), row7, status=201, data=content)
    time.sleep(NEXT_MS_S)
    row8 = Expected(
        "share.open",
        WEST,
        "guest@gmail.com",
        "denied",
        "domain_restricted",
        workspace=BRAND,
        file="brief.pdf",
    )
    player.act(GUEST, "GET", f"/s/{ACME_TOKEN}", row8, status=403)
