"""Decisions about jobs, without I/O: what to do, in which order, with how many workers."""
