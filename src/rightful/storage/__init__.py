"""Places that packages are written to."""
