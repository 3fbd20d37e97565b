"""`python -m storage_server`: one region's server, until SIGTERM."""

import argparse
import signal
import threading
from pathlib import Path

from storage_server.web import StorageServer


def main() -> None:
    """Read the command line, say where the server listens, serve."""
    parser = argparse.ArgumentParser(prog="storage_server", description=__doc__)
    parser.add_argument("--region", required=True)
    parser.add_argument("--root", required=True, type=Path, help="folder of the bytes")
    parser.add_argument("--shared", required=True, type=Path, help="folder that all regions see")
    parser.add_argument("--log", required=True, type=Path, help="the native log")
    parser.add_argument("--port", default=0, type=int, help="0: any free one")
    parser.add_argument("--peers", default="", help="region=http://host:port,…")
    options = parser.parse_args()
    peers = dict(each.split("=", 1) for each in options.peers.split(",") if each)
    server = StorageServer(
        region=options.region,
        root=options.root,
        log=options.log,
        shared=options.shared,
        port=options.port,
        peers=peers,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"{options.region}: {server.url}", flush=True)
    server.serve()


if __name__ == "__main__":
    main()
