"""What helps to find out why rows failed."""
