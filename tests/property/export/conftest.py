"""Worlds are closed after each test."""

from tests.unit.export.world import stopped_worlds

__all__ = ["stopped_worlds"]
