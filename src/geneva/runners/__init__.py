"""Where workers run: in this thread, or in processes of this machine."""
