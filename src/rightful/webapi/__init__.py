"""One API, asked over HTTP: let in, paced, tried again, bounded, and of no other host."""
