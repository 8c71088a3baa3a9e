"""Benchmarks: us and the yardstick on the same work."""
