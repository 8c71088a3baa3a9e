"""One accepted export request and the rules of its life."""
