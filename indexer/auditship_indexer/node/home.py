"""Lay out one node: links into the shared distribution, generated configuration, own data.

DATA_FOLDER/        owner: who starts the node
  home/             links: lib, agent, modules/*; the empty folders that it insists on
  config/           opensearch.yml, log4j2.properties
  console.log       what Java prints before logging starts
  data/ logs/ tmp/  owner: who runs the node
"""

import shutil
from pathlib import Path
from typing import Any

import yaml

from auditship_indexer.node.account import Account, give
from auditship_indexer.node.runtime import Runtime
from auditship_indexer.node.settings import NodeConfig

# Its Thai analyzer needs locale data that the trimmed runtime lacks, and fails the whole start.
_NEEDS_FULL_JDK = {"analysis-common"}
# A second protocol with its own port, which nothing here speaks; it costs a second at start.
_NOT_USED = {"transport-grpc"}

CLUSTER = "auditship"

# The options that the distribution's own launcher would compute, less those for large heaps.
# What is relative is relative to home/, so that no character of a folder's name is special.
_JAVA_OPTIONS = (
    "-Xss1m",
    "-Dfile.encoding=UTF-8",
    "-Djava.awt.headless=true",
    "-Djava.locale.providers=SPI,CLDR",
    "-Djna.nosys=true",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:+UseG1GC",
    "-XX:G1ReservePercent=25",
    "-XX:InitiatingHeapOccupancyPercent=30",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:ErrorFile=../logs/hs_err_pid%p.log",
    "-Dopensearch.networkaddress.cache.ttl=60",
    "-Dopensearch.networkaddress.cache.negative.ttl=10",
    "-Dio.netty.noUnsafe=true",
    "-Dio.netty.noKeySetOptimization=true",
    "-Dio.netty.recycler.maxCapacityPerThread=0",
    "-Dio.netty.allocator.numDirectArenas=0",
    "-Dlog4j.shutdownHookEnabled=false",
    "-Dlog4j2.disable.jmx=true",
    "-Dorg.apache.lucene.store.MMapDirectory.sharedArenaMaxPermits=1",
    "-javaagent:agent/opensearch-agent.jar",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
)


def lay_out(
    folder: Path,
    config: NodeConfig,
    distribution: Path,
    runtime: Runtime,
    account: Account | None,
) -> None:
    """Make or renew everything in a node's folder but its data. Repeatable."""
    _link_home(folder / "home", distribution, runtime)
    _write_configuration(folder, config)
    _renew(folder / "tmp")
    for name in ("config", "data", "logs", "tmp"):  # config: the node makes its keystore there
        own = folder / name
        own.mkdir(mode=0o750, exist_ok=True)
        give(account, own)
    ports_file(folder).unlink(missing_ok=True)


def ports_file(folder: Path) -> Path:
    """Return the file into which the node writes `127.0.0.1:PORT` once it listens."""
    return folder / "logs" / "http.ports"


def java_command(folder: Path, config: NodeConfig, runtime: Runtime) -> list[str]:
    """Return the argument list that runs the node; its working folder is home/."""
    vector = ["--add-modules=jdk.incubator.vector"] if runtime.vector else []
    return [
        str(runtime.java),
        f"-Xms{config.heap_mb}m",
        f"-Xmx{config.heap_mb}m",
        f"-XX:MaxDirectMemorySize={config.heap_mb // 2}m",
        *_JAVA_OPTIONS,
        *vector,
        *config.jvm_options,
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        f"-Dopensearch.path.home={folder / 'home'}",
        f"-Dopensearch.path.conf={folder / 'config'}",
        "-Dopensearch.distribution.type=zip",
        "-Dopensearch.bundled_jdk=false",
        "-cp",
        "lib/*",
        "org.opensearch.bootstrap.OpenSearch",
    ]


def _renew(folder: Path) -> None:
    """Make an empty folder. Root never writes through what the node may have put into the old."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o750)


def _write_configuration(folder: Path, config: NodeConfig) -> None:
    _renew(folder / "config")
    text = yaml.safe_dump(_settings(folder, config), allow_unicode=True)
    (folder / "config" / "opensearch.yml").write_text(text, encoding="utf-8")
    shutil.copyfile(
        Path(__file__).with_name("log4j2.properties"), folder / "config" / "log4j2.properties"
    )


def _link_home(home: Path, distribution: Path, runtime: Runtime) -> None:
    _renew(home)
    made = [home / name for name in ("bin", "modules", "plugins", "extensions")]
    for folder in made:
        folder.mkdir()
    for name in ("lib", "agent"):
        (home / name).symlink_to(distribution / name)
    left_out = _NOT_USED | (_NEEDS_FULL_JDK if runtime.trimmed else set())
    for module in (distribution / "modules").iterdir():
        if module.name not in left_out:
            (home / "modules" / module.name).symlink_to(module)
    for folder in (home, *made):  # whatever the umask
        folder.chmod(0o755)


def _settings(folder: Path, config: NodeConfig) -> dict[str, Any]:
    return {
        "cluster.name": CLUSTER,
        "node.name": "embedded",
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": config.http_port,
        "transport.port": 0,
        "node.portsfile": True,
        "node.store.allow_mmap": False,
        "cluster.routing.allocation.disk.threshold_enabled": False,
        "action.auto_create_index": "-audit-*,+*",
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
        **config.settings,
    }
