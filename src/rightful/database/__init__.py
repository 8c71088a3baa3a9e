"""Relational databases: introspection and streaming queries for sets of subjects."""
