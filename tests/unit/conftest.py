"""The demo's storage server, as each test of it finds it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.storage_site import Site, plant_site, running_site


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of each test, made once: hashing passwords is slow on purpose."""
    return plant_site(tmp_path_factory.mktemp("planted"))


@pytest.fixture
def site(tmp_path: Path, planted: Path) -> Iterator[Site]:
    """Two regions that run on a copy of the beginning."""
    with running_site(planted, tmp_path / "a product") as running:
        yield running
