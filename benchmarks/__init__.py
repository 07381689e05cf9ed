"""Benchmarks: every case as whole processes, side by side with pylance alone (the floor).

``python -m benchmarks`` runs the cases, ``python -m benchmarks.curve`` measures cost per row. A run
is a fresh process on a fresh copy of its table, measured from start to exit with all its children.
Floor and ours take turns, and every result is checked.

From the data to the figures: `cases` and `tables` say what, `session` and `runs` drive, `measure`,
`launcher` and `sampling` measure, `aside` (with `generate` and `checks`) touches Lance, `goals` and
`report` judge and show.
"""
