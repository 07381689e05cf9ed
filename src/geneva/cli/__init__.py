"""The `geneva` command."""
