"""`auditship-agent presets`: which logs the agent reads without a field map, and how."""

from pathlib import Path

import click

from auditship_agent.parsing import PRESETS, form_of, is_file, path_of
from auditship_agent.pipeline.trial import preset_problems

_FAILED = 3


@click.group()
def presets() -> None:
    """Formats of logs that the agent reads; one of your own is a file of the same form."""


@presets.command("list")
def list_() -> None:
    """List the built-in presets."""
    width = max(map(len, PRESETS))
    for name in PRESETS:
        form = form_of(name)
        first = form.about.strip().partition("\n")[0]
        told = "log_format that we publish" if form.preset == "nginx-json" else first
        click.echo(f"{name:{width}}  {told}")


@presets.command()
@click.argument("name", metavar="NAME")
def show(name: str) -> None:
    """Print the file of a preset: a start for one of your own."""
    form_of(name)  # a file with a mistake is told, not shown
    click.echo(path_of(name).read_text(encoding="utf-8"), nl=False)


@presets.command("test")
@click.argument("name", metavar="NAME|FILE")
@click.pass_context
def test_(ctx: click.Context, name: str) -> None:
    """Run the tests inside a preset file."""
    preset = str(Path(name).absolute()) if is_file(name) else name
    form = form_of(preset)
    problems = preset_problems(preset)
    for problem in problems:
        click.echo(f"FAIL  {name}: {problem}")
    if problems:
        ctx.exit(_FAILED)
    click.echo(f"ok    {name}: {len(form.tests)} tests")
