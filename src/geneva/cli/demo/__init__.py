"""`geneva demo`: real photographs and texts, computed columns, and a search, on this machine.

Read in this order: `run` (the walk), `photos` and `paragraphs` (the data), `functions` (what is
computed; written to be copied), `columns` (attach and fill), `search`, `contact_sheet`, `report`.
`packages` finds or fetches what the demo needs beyond a plain install.
"""
