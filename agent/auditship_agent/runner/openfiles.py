"""How many log files may be open, so that the agent always has descriptors left for itself.

An agent that spends its last descriptor on a log can write no checkpoint, reach no cluster and list
no folder; and since it closes nothing that has unread bytes, it would stay like that.
"""

import resource
from typing import Final

import msgspec

from auditship_agent.config import LimitsConfig
from auditship_indexer.log import Log

BESIDE: Final = 64  # state folder, connections, watcher, metrics, libraries
_LEAST: Final = 8  # as in the configuration


def fitted(limits: LimitsConfig, log: Log) -> LimitsConfig:
    """Return the limits that this process can keep; it takes what the hard limit allows first."""
    wanted = limits.max_open_files + BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    room = max(_LEAST, soft - BESIDE)
    log.warning(
        "limits.lowered",
        max_open_files=room,
        wanted=limits.max_open_files,
        descriptors=soft,
        hint="raise LimitNOFILE of the service, or lower limits.max_open_files",
    )
    return msgspec.structs.replace(limits, max_open_files=room)
