"""A real postgres server for tests, as a fixture."""
