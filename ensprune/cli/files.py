"""Writing files: several together, each whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from .errors import BadInput, CommandError, reason

# Writes a file at the path it is given.
Writer = Callable[[Path], object]


def check_target(path: Path) -> None:
    """Refuse a path that cannot be written before any work is done.

    Raises
    ------
    BadInput
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise BadInput(f"cannot write {path}: it is no regular file")
    if not target.parent.is_dir():
        raise BadInput(f"cannot write {path}: there is no directory {path.parent}")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise BadInput(f"cannot write {path}: no permission in {path.parent}")


def write_all(writers: Mapping[Path, Writer]) -> None:
    """Write all files beside their targets, then move all of them into place.

    A target is the old file or the new one at any time, also after an error, an interrupt or a
    full disk, and nothing else is left behind.

    Parameters
    ----------
    writers : mapping of Path to callable
        For each target, what writes it to the temporary path it is given, which has the suffix
        of the target.

    Raises
    ------
    CommandError
        If the system refuses.
    """
    staged: list[tuple[Path, Path]] = []
    done: list[str] = []
    try:
        for path, write in writers.items():
            target = path.resolve()  # a link stays a link
            name = f".{target.stem[:100]}.{secrets.token_hex(4)}.tmp{target.suffix}"
            temporary = target.with_name(name)
            # Noted before it exists, so that no interrupt falls in between.
            staged.append((temporary, target))
            write(temporary)
            _settle(temporary, target)
        for temporary, target in staged:
            os.replace(temporary, target)
            done.append(str(target))
    except OSError as error:
        written = ", ".join(done) or "nothing"
        names = ", ".join(str(path) for path in writers)
        message = f"cannot write {names}: {reason(error)}; {written} was written"
        raise CommandError(message) from error
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)


def _settle(temporary: Path, target: Path) -> None:
    """Permissions of the file that is replaced, and all bytes on the disk."""
    if target.exists():
        temporary.chmod(target.stat().st_mode & 0o777)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
