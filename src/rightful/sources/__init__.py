"""Adding sources: what lies at an address, what it would be as a source, whether that works, and what has changed since."""
