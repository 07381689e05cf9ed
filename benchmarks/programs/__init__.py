"""The measured scripts. Each imports only what its own work needs and is started by its path."""
