"""Files are written whole or not at all."""

import errno
import os
import stat

import pytest

from ensprune.cli.errors import BadInput, CommandError
from ensprune.cli.files import check_target, write_all


def writes(text):
    return lambda path: path.write_text(text)


def test_all_are_written(tmp_path):
    first, second = tmp_path / "a.txt", tmp_path / "b.html"
    first.write_text("old")
    first.chmod(0o640)
    seen = []
    write_all({first: writes("new"), second: lambda path: (seen.append(path), writes("2")(path))})
    assert (first.read_text(), second.read_text()) == ("new", "2")
    assert stat.S_IMODE(first.stat().st_mode) == 0o640
    assert seen[0].suffix == ".html"
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "b.html"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_all({tmp_path / "link.txt": writes("new")})
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt(), ValueError()]
)
def test_after_an_error_all_is_as_it_was(tmp_path, error):
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("old")

    def fails(path):
        path.write_text("half")
        raise error

    expected = CommandError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected) as caught:
        write_all({first: writes("new"), second: fails})
    if expected is CommandError:
        assert "No space left on device; nothing was written" in str(caught.value)
        assert caught.value.exit_code == 1
    assert os.listdir(tmp_path) == ["a.txt"]
    assert first.read_text() == "old"


def test_a_full_disk_ends_the_command(folder, ensprune, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("ensprune.cli.files._settle", full)
    (folder / "small.skops").write_text("old")
    before = sorted(os.listdir(folder))
    done = ensprune(
        "prune", "forest.skops", "--data", "val.csv", "--target", "class", "--out", "small.skops"
    )
    assert (done.code, done.out) == (1, "")
    assert done.err.count("\n") == 1
    assert sorted(os.listdir(folder)) == before
    assert (folder / "small.skops").read_text() == "old"


def test_targets_that_cannot_be(tmp_path):
    check_target(tmp_path / "new.txt")
    for path, says in ((tmp_path, "no regular file"), (tmp_path / "no" / "a", "no directory")):
        with pytest.raises(BadInput, match=says):
            check_target(path)
