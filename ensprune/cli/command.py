"""The command line: what it takes, and how errors reach the user."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from .. import __version__
from .errors import BAD_INPUT, FAILED, INTERRUPTED, OK, CommandError, one_line

_EPILOG = (
    """exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted (nothing is written)"""
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: error: {one_line(message)} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    from . import compare, inspect, prune

    parser = _Parser(
        prog="ensprune",
        description="Cut a fitted ensemble down to a budget: a smaller model of the same class.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"ensprune {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in (prune, inspect, compare):
        name = module.__name__.rpartition(".")[2]
        summary = module.SUMMARY
        sub = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", epilog=_EPILOG
        )
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return parser


def add_model(parser: Any) -> None:
    """The arguments of a command that reads a model."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        type=Path,
        help="a fitted ensemble: .skops, XGBoost's .json or .ubj, or a pickle (.pkl, .joblib)",
    )
    add_trust(parser)


def add_trust(parser: Any) -> None:
    """How far a model file is trusted."""
    parser.add_argument(
        "--trust-pickle",
        action="store_true",
        help="open pickles, which can run any code: only for files whose maker you know",
    )
    parser.add_argument(
        "--trust",
        metavar="TYPE",
        action="append",
        default=[],
        help="a type that a skops file may hold beside the known harmless ones; may be repeated",
    )


@contextmanager
def _interrupted_after() -> Iterator[None]:
    """Put Ctrl-C off to the end: libraries that are halfway imported answer it with messages."""
    came: list[bool] = []
    handler = signal.getsignal(signal.SIGINT)
    alone = threading.current_thread() is threading.main_thread()
    if handler is not signal.default_int_handler or not alone:  # somebody else's affair
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: came.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if came:
        raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, default=None
        None takes those of the process.

    Returns
    -------
    int
        The exit code. Wrong usage raises ``SystemExit(2)``, as argparse does.
    """
    name, options = "ensprune", argparse.Namespace()

    def say(kind: str, message: object) -> None:
        print(f"{name}: {kind}: {one_line(message)}", file=sys.stderr)

    shown: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        # A warning of every fit of many is one line, too.
        if one_line(message) not in shown:
            shown.add(one_line(message))
            say("warning", message)

    with warnings.catch_warnings():
        warnings.showwarning = show
        try:
            with _interrupted_after():
                options = _parser().parse_args(arguments)
                name = f"ensprune {options.command}"
                import_module("ensprune.pruner")  # what all commands need, about a second
            options.run(options)
            sys.stdout.flush()
        except CommandError as error:
            say("error", error)
            return error.exit_code
        except KeyboardInterrupt:
            say("interrupted", "nothing was written")
            return INTERRUPTED
        except BrokenPipeError:
            # Whoever read the output has enough; closing it must not complain either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        except Exception as error:
            if getattr(options, "verbose", 0):
                traceback.print_exc()
            say("error", f"{type(error).__name__}: {error}")
            return FAILED
    return OK
