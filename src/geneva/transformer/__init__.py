"""What a function takes, gives and needs."""
