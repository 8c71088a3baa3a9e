"""Durable state: operations, their intents, reads and entries."""
