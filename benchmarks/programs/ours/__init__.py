"""The same work as a user of geneva writes it."""
