"""What can go wrong in a benchmark besides a missed goal, which is a figure and not an error."""


class BenchmarkError(Exception):
    """The figures would be wrong or there are none; nothing is written."""


class MeasurementError(BenchmarkError):
    """A measured command failed, took too long or left processes behind."""


class WrongResultError(BenchmarkError):
    """A measured program wrote something else than the function's values."""


class UncompiledError(BenchmarkError):
    """The environment has no bytecode, so every process would compile its imports first."""
