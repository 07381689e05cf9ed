"""Floors: one process that calls pylance's ``add_columns`` with a batch function."""
