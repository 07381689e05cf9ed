"""The web console: jobs, tables and clusters of a database as pages and as JSON."""
