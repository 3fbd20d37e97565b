"""`python -m demo.run`: the whole product at work, from nothing to the verdict.

Without an option it ends by itself and leaves nothing running, also on Ctrl-C and on failure.
`--stay` leaves all of it running and says how to use it; `--down` ends that.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo import cast, regions
from demo.auditing import Auditing, Cluster, command, state_folder
from demo.ledger import Ledger, compare, is_act
from demo.play import play
from demo.player import PlayError
from demo.processes import END_S, POLL_S, DemoError, Troupe, end_left_running
from demo.regions import Product
from demo.report import CSV_ROWS, SHOWN, Report

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--stay", action="store_true", help="leave everything running")
    choice.add_argument("--down", action="store_true", help="end what --stay left running")
    options = parser.parse_args()
    folder = run_folder()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.down:
            sys.exit(_down(folder))
        sys.exit(_demo(folder, stay=options.stay))
    except (DemoError, PlayError) as error:
        told = error.explain() if isinstance(error, DemoError) else f"Error: {error}"
        print(f"\n{told}\nAll logs: {folder / 'logs'}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        print("\nInterrupted; everything was ended.", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def run_folder() -> Path:
    """Return the demo's folder: `.cache/demo` of the checkout, or a temporary one of the user."""
    wished = Path(__file__).resolve().parents[2] / ".cache" / "demo"
    try:
        wished.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir()) / f"auditship-demo-{os.geteuid()}"
    if os.access(wished, os.W_OK):
        return wished
    return Path(tempfile.gettempdir()) / f"auditship-demo-{os.geteuid()}"


def _down(folder: Path) -> int:
    ended = end_left_running(folder)
    _remove_node(folder)
    print(f"Ended: {', '.join(ended)}" if ended else "Nothing was running")
    return 0


def _demo(folder: Path, *, stay: bool) -> int:
    end_left_running(folder)
    _remove_node(folder)
    regions.clear(folder)
    product = regions.plan(folder)
    report = Report()
    with _troupe(folder, stay=stay) as troupe:
        auditing = Auditing(folder, product, troupe)
        report.heading("auditship demo: three regions of a storage product, one audit trail\n")
        cluster = _start(report, auditing, folder)
        ledger = _traffic(report, auditing, cluster)
        _show(report, auditing, folder)
        if not stay:
            auditing.end_agents()  # so that nothing can arrive after the count
        acts = [event for event in auditing.events() if is_act(event)]
        equal = report.verdict(ledger, len(acts), compare(ledger, acts))
        if stay:
            _tell_how(product, auditing, cluster)
    report.total()
    return 0 if equal else EXIT_FAILED


@contextmanager
def _troupe(folder: Path, *, stay: bool) -> Iterator[Troupe]:
    """End all children at the end, unless they stay and nothing failed."""
    paths = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    troupe = Troupe(folder, environment)
    staying = False
    try:
        yield troupe
        staying = stay
    finally:
        if not staying:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)  # ending what was started is not interrupted
            troupe.end()
            _remove_node(folder)


def _start(report: Report, auditing: Auditing, folder: Path) -> Cluster:
    with report.step("OpenSearch") as told:
        cluster = auditing.start_node(state_folder(folder))
        told.append(f"{cluster.version} at {cluster.address}, set up")
    with report.step("Product") as told:
        regions.start(auditing.product, auditing.troupe)
        told.append(f"{', '.join(cast.REGIONS)}, behind Caddy")
    with report.step("Agents") as told:
        auditing.start_agents(cluster)
        told.append("one beside each server")
    return cluster


def _traffic(report: Report, auditing: Auditing, cluster: Cluster) -> Ledger:
    with report.step("Traffic") as told:
        ledger = play(auditing.product.addresses)
        told.append(f"{sum(not sent.by_system for sent in ledger.sent)} requests over HTTP")
    with report.step("Shipping") as told:
        auditing.await_stored(cluster, ledger.expected().total())
        told.append("until the last event was stored and searchable")
    return ledger


def _show(report: Report, auditing: Auditing, folder: Path) -> None:
    brand = ("search", "--workspace", cast.BRAND)
    report.output(f"auditship {' '.join(brand)}", lambda: auditing.run(*brand))
    print("(the product's preview, played today; sizes are a thousandth)")
    denied = ("search", "--result", "denied")
    report.output(f"auditship {' '.join(denied)}", lambda: auditing.run(*denied), lines=SHOWN)
    target = folder / "events.csv"

    def export() -> str:
        auditing.run("export", "--format", "csv", "-o", str(target))
        return target.read_text("utf-8")

    report.output("auditship export --format csv -o events.csv", export, lines=CSV_ROWS)


def _tell_how(product: Product, auditing: Auditing, cluster: Cluster) -> None:
    print("\nLeft running")
    print(f"  {'OpenSearch':<14} {cluster.address}")
    for region in product.regions:
        print(f"  {region.name:<14} {region.url}   log {region.native_log}")
    print(f"  {'public area':<14} {product.regions[0].url}/public/   log {product.access_log}")
    john, first = cast.JOHN, product.regions[0].url
    print("\nTry")
    print(
        f"  curl -u '{john.email}:{john.password}' -T FILE {first}/v1/workspaces/w_brand/files/FILE"
    )
    print(f"  {command('auditship')} search --config '{auditing.config}' --workspace w_brand")
    print("  make down")


def _remove_node(folder: Path) -> None:
    """Remove the node's data; root's lie elsewhere, behind a link.

    A node that was interrupted while it started ends a moment after `auditship up`, and may still
    write until then: so this is tried until nothing is left.
    """
    state = folder / "companion"
    target = state.resolve()
    deadline = time.monotonic() + END_S
    while target.exists() and time.monotonic() < deadline:
        shutil.rmtree(target, ignore_errors=True)
        if target.exists():
            time.sleep(POLL_S)
    if target.exists():
        raise DemoError(f"{target}: cannot be removed")
    state.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
