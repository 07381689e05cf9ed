"""Where workers run: in actors of a Ray cluster. Nothing outside of this folder imports Ray."""
