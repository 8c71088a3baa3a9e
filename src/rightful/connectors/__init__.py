"""Code that reads one kind of system each."""
