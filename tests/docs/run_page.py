"""Run the Python blocks of one page as one program, and say what each printed and raised.

Takes a JSON list of ``{"file", "line", "source"}`` on standard input and prints a JSON list of
``{"stdout", "stderr", "error", "kind"}``. It stops after a block that was not expected to raise.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback
import types


def main() -> None:
    page = json.load(sys.stdin)
    # The blocks are the main program, as if the reader had typed them into a file.
    program = types.ModuleType("__main__")
    sys.modules["__main__"] = program
    results = []
    for block in page:
        result = _run(program, block)
        results.append(result)
        if bool(result["error"]) != bool(block["expect"]):
            break
    json.dump(results, sys.stdout)


def _run(program: types.ModuleType, block: dict) -> dict[str, str]:
    out, err = io.StringIO(), io.StringIO()
    error, kinds = "", []
    # Lines of the page are lines of the program, so that tracebacks point into the page.
    source = "\n" * (block["line"] - 1) + block["source"]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            exec(compile(source, block["file"], "exec", dont_inherit=True), vars(program))
        except Exception as raised:  # noqa: BLE001 - a page may raise anything
            kinds = [kind.__name__ for kind in type(raised).__mro__]
            error = "".join(traceback.format_exception_only(type(raised), raised))
            if not block["expect"]:
                error = "".join(traceback.format_exception(raised))
    return {"stdout": out.getvalue(), "stderr": err.getvalue(), "error": error, "kinds": kinds}


if __name__ == "__main__":
    main()
