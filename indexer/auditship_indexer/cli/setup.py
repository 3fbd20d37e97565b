"""`auditship setup`: make a cluster ready for audit events."""

from pathlib import Path

import click

from auditship_indexer.cli.context import config_option, open_client
from auditship_indexer.clock import SystemClock
from auditship_indexer.errors import ConfigError
from auditship_indexer.event.identity import REGION_FORM
from auditship_indexer.setup import run_setup


@click.command(short_help="Make a cluster ready for audit events.")
@config_option
@click.option("--dry-run", is_flag=True, help="Print the plan as a diff, change nothing.")
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="REGION",
    help="A region whose daily indices are made; repeatable; instead of `regions` of the file.",
)
def setup(config_path: Path | None, *, dry_run: bool, regions: tuple[str, ...]) -> None:
    """Make a cluster ready for audit events; safe to repeat.

    Writes index templates, the pipeline that stamps arrivals, daily indices from yesterday to
    7 days ahead for each region and for `control`, and the retention policy where the cluster has
    Index State Management. Settings that others added to these templates are kept.
    """
    for region in regions:
        if REGION_FORM.fullmatch(region) is None:
            raise ConfigError(
                f"--region {region!r}: not a region name", hint="use a-z, 0-9, _ and - (up to 64)"
            )
    client, config = open_client(config_path)
    run_setup(
        client,
        regions or config.regions,
        retention_days=config.retention.days,
        now_ms=SystemClock().now_ms(),
        dry_run=dry_run,
        echo=click.echo,
    )
