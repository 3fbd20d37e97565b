"""Normalizing: records of every preset become events of one schema."""

from auditship_agent.normalize.normalizer import Normalizer

__all__ = ["Normalizer"]
