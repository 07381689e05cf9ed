"""Verify computed columns: what a table says of them against what is there."""
