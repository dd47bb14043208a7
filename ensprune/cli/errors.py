"""What ends a command with one line instead of a traceback."""

from __future__ import annotations

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class CommandError(Exception):
    """Ends the command: the message goes to standard error, ``exit_code`` to the shell."""

    exit_code = FAILED


class BadInput(CommandError):
    """The user gave something that cannot be worked with."""

    exit_code = BAD_INPUT


def one_line(message: object) -> str:
    """A message without line breaks."""
    return " ".join(str(message).split())


def reason(error: OSError) -> str:
    """What the system says went wrong, without number and path."""
    return error.strerror or one_line(error)
