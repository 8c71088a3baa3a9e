"""The HTTP surface; the only place that knows the wire (docs/spec/graph.md)."""
