"""A real azurite server for tests, as a fixture."""
