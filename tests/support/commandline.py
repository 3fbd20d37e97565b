"""The command line of the agent, called inside the process of the test: quick, and seen whole."""

import contextlib
import io
import sys

from msgspec import Struct

from auditship_agent.cli import main


class Done(Struct, frozen=True):
    """How a command ended, and what it wrote."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Return the standard output as text."""
        return self.out.decode()


def call(*words: str) -> Done:
    """Run `auditship-agent WORD...` to its end."""
    out, err = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
    before, sys.argv = sys.argv, ["auditship-agent", *words]
    code = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
    buffer = out.buffer
    assert isinstance(buffer, io.BytesIO)
    return Done(code, buffer.getvalue(), err.getvalue())
