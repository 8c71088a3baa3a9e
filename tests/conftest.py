"""Fixtures that many tests share; servers are started once for each worker process."""
