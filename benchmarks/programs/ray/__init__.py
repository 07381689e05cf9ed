"""The same work on a private Ray cluster."""
