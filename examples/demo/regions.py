"""Three regions of the storage product: a server and a proxy site each, one shared folder."""

import contextlib
import shutil
import socket
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from demo import caddy, cast
from demo.processes import Child, Troupe, answers, wait_until
from demo.traffic import PUBLIC_FILES
from storage_server.seed import plant

START_S = 20.0


@dataclass(frozen=True)
class Region:
    """Where one region's parts are."""

    name: str
    folder: Path
    server_port: int
    proxy_port: int

    @property
    def native_log(self) -> Path:
        """Return the audit log of the storage server."""
        return self.folder / "log" / "audit.log"

    @property
    def url(self) -> str:
        """Return the address that clients use: the proxy's."""
        return f"http://127.0.0.1:{self.proxy_port}"

    @property
    def server_url(self) -> str:
        """Return the address of the storage server itself."""
        return f"http://127.0.0.1:{self.server_port}"


@dataclass(frozen=True)
class Product:
    """The product as it runs; `access_log` is that of the public area, in the first region."""

    regions: tuple[Region, ...]
    shared: Path
    public: Path
    access_log: Path

    @property
    def addresses(self) -> dict[str, str]:
        """Return region to address."""
        return {region.name: region.url for region in self.regions}


def plan(folder: Path) -> Product:
    """Choose folders and free ports below `folder`, which must be empty of an earlier run."""
    ports = free_ports(2 * len(cast.REGIONS))
    regions = tuple(Region(name, folder / name, ports.pop(), ports.pop()) for name in cast.REGIONS)
    public = folder / "public area"
    return Product(regions, folder / "shared", public, folder / "caddy" / "log" / "access.log")


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def start(product: Product, troupe: Troupe) -> None:
    """Seed the product, start servers and proxies, and wait until each answers."""
    roots = {region.name: region.folder / "data" for region in product.regions}
    plant(product.shared, roots, cast.users(), cast.workspaces())
    caddy.fill_public(product.public, PUBLIC_FILES)
    for region in product.regions:
        server = troupe.start(f"storage-{region.name}", _server_command(product, region))
        _await(region.name, f"{region.server_url}/health", server)
    product.access_log.parent.mkdir(parents=True, exist_ok=True)
    home = product.access_log.parent.parent
    config = caddy.write_config(home, [_site(product, region) for region in product.regions])
    proxy = troupe.start("caddy", caddy.command(config), caddy.environment(home))
    for region in product.regions:
        _await(f"the proxy of {region.name}", f"{region.url}/health", proxy)


def _await(what: str, url: str, child: Child) -> None:
    wait_until(f"an answer of {what}", partial(answers, url), child, timeout_s=START_S)


def _server_command(product: Product, region: Region) -> list[str]:
    others = [each for each in product.regions if each is not region]
    peers = ",".join(f"{each.name}={each.server_url}" for each in others)
    options = {
        "region": region.name,
        "root": region.folder / "data",
        "shared": product.shared,
        "log": region.native_log,
        "port": region.server_port,
        "peers": peers,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "storage_server", *words]


def _site(product: Product, region: Region) -> caddy.ProxySite:
    upstream = f"127.0.0.1:{region.server_port}"
    if region is not product.regions[0]:
        return caddy.ProxySite(region.proxy_port, upstream)
    return caddy.ProxySite(region.proxy_port, upstream, product.public, product.access_log)


def clear(folder: Path) -> None:
    """Remove what an earlier run left on the disk."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
