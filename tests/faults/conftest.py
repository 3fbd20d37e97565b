"""A site for each test of the fault matrix that wants one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.bulk import BulkServer
from support.site import MakeSite, Site


@pytest.fixture
def make_site(tmp_path: Path, bulk_server: BulkServer) -> Iterator[MakeSite]:
    """Makes sites with settings of their own; the test's end closes them."""
    made: list[Site] = []

    def make(**settings: Any) -> Site:
        made.append(Site(tmp_path / f"site {len(made)}", bulk_server, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """A site with plain settings."""
    return make_site()
