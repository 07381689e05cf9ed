"""The only code that touches Lance: snapshots, reading, parts, column files, commits."""

import os
import sys

from geneva.storage import quiet

# Lance reads its log level once, when it is loaded.
quiet.lance_was_loaded_first = "lance" in sys.modules and "LANCE_LOG" not in os.environ
os.environ.setdefault("LANCE_LOG", "error")
os.environ.setdefault("LANCEDB_LOG", "error")
