"""The process: state folder, wiring, the loop that steps the pipeline, signals."""

from auditship_agent.runner.agent import Agent, build
from auditship_agent.runner.loop import once
from auditship_agent.runner.service import run
from auditship_agent.runner.state import StateFolder

__all__ = ["Agent", "StateFolder", "build", "once", "run"]
