"""Fixtures that many tests share; servers are started once for each worker process and ended by their pid."""

pytest_plugins = ["tests.servers.azurite", "tests.servers.postgres"]
