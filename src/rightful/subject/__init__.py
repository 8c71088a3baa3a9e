"""The person whose data is exported, and how that person is known."""
