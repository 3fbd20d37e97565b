"""Does another agent on this machine read the same file under another server id?

The same file with the same `server.id` twice is harmless (409); with different ids each line would
be told twice.
"""

from collections.abc import Iterator
from pathlib import Path

from auditship_agent import positions
from auditship_agent.check.finding import Finding, failed
from auditship_agent.config import AgentConfig
from auditship_agent.source.discovery import Found


def neighbours(config: AgentConfig, files: tuple[Found, ...]) -> Iterator[Finding]:
    """Yield a failed check for each file that an agent of another server id reads, too."""
    own = Path(config.state.dir)
    mine = {found.path for found in files}
    for folder in sorted(own.parent.glob("auditship-agent*")):
        if folder == own or not folder.is_dir():
            continue
        try:
            status = positions.read(folder)
        except OSError:
            continue  # another user's agent: its state is not ours to read
        if status is None or status.server == config.server.id:
            continue
        theirs = {file.path for source in status.sources for file in source.files}
        for path in sorted(mine & theirs):
            yield failed(
                "same file",
                f"{path}: the agent of server {status.server} in {folder} reads it, too",
                "one file, one server.id: else each line is told twice",
            )
