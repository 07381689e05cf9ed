"""The web console: jobs, tables and clusters of a database in a browser, and as JSON.

It reads what jobs record and tables hold, and writes only what others wish of a job. No stored
function is unpickled here.
"""
