"""`python -m auditship_agent` is the command `auditship-agent`."""

from auditship_agent.cli import main

if __name__ == "__main__":
    main()
