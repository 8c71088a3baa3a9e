"""What is delivered: entries, their names and their digests."""
