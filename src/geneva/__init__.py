"""Feature engineering on multimodal Lance tables: Python functions as computed columns."""

from geneva._version import __version__

__all__ = ["__version__"]
