"""Where reads run: in this process, or on a distributed engine."""
