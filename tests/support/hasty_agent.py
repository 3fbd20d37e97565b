"""The command line of the agent with a drain of its own length.

    AUDITSHIP_TEST_DRAIN_S=0.2 python hasty_agent.py run --config FILE

The product gives a drain ten seconds, which no test waits for.
"""

import os

from auditship_agent.cli import main
from auditship_agent.runner import service

DRAIN_S = "AUDITSHIP_TEST_DRAIN_S"

if __name__ == "__main__":
    service.DRAIN_S = float(os.environ[DRAIN_S])  # type: ignore[misc]  # final for the product
    main()
