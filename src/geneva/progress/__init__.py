"""Shows how far a job is: bars on a terminal or in a notebook, plain lines elsewhere."""
