"""The play: the preview's eight rows, one of each act, then an ordinary day; all over HTTP."""

import random
from collections.abc import Mapping
from contextlib import closing

from demo.families import play_families
from demo.ledger import Ledger
from demo.player import Player
from demo.preview import play_preview
from demo.shares import play_shares
from demo.traffic import Day

SEED = 20260414
DAY_REQUESTS = 260


def play(addresses: Mapping[str, str], *, requests: int = DAY_REQUESTS) -> Ledger:
    """Play everything through the proxies (`addresses`: region to URL), in order.

    Returns the ledger of what was sent and which events it must give. The order of requests, their
    people and their bytes are the same in each run; ids, tokens and passwords are not.

    Raises:
        PlayError: a reply is not what the script foretells.
    """
    chance = random.Random(SEED)  # noqa: S311 - a fixed mix of traffic, nothing secret
    with closing(Player(addresses)) as player:
        play_preview(player, chance)
        play_families(player, chance)
        play_shares(player, chance)
        Day(player, chance).play(requests)
        return player.ledger
