"""Fakes, simulators and the suites that every implementation of a seam must pass; shipped for users."""
