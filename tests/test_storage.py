"""Arrays in files: the same values, and a full or broken disk told apart."""

from __future__ import annotations

import errno
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from ensprune.storage import (
    columns_of,
    is_on_disk,
    members_of,
    on_disk,
    release,
    rows_at_once,
    samples_of,
    store_samples,
)


def test_parts_of_an_array_in_a_file_are_in_files():
    values = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
    filed = on_disk(values.shape)
    filed[...] = values
    release(filed)
    for part, expected in (
        (columns_of(filed, np.array([0, 3])), values[:, :, [0, 3]]),
        (members_of(filed, [1]), values[[1]]),
    ):
        assert is_on_disk(part)
        np.testing.assert_array_equal(part, expected)
    assert not is_on_disk(columns_of(values, np.array([1])))
    assert not is_on_disk(members_of(values, [0]))


def test_a_block_of_samples_is_a_view_of_memory_and_a_copy_of_a_file():
    values = np.arange(5000.0, dtype=np.float32).reshape(50, 2, 50)
    filed = on_disk(values.shape)
    filed[...] = values
    block = slice(3, 11)
    assert np.shares_memory(samples_of(values, block), values)
    copy = samples_of(filed, block)
    assert not is_on_disk(copy)
    np.testing.assert_array_equal(copy, values[:, :, block])
    np.testing.assert_array_equal(samples_of(filed[:, 1], block), values[:, 1, block])
    for array in (values, filed):
        mine = samples_of(array, block, np.float64)
        assert mine.dtype == np.float64
        assert not np.shares_memory(mine, array)
        np.testing.assert_array_equal(mine, values[:, :, block])


@pytest.mark.parametrize(
    ("shape", "samples", "runs"),
    [
        ((50, 2, 100), 10, 1),  # the whole file is no more than may come into memory
        ((9, 2, 1 << 20), 10, 3),  # rows far apart: 2 MB around each, so 4 MB for a member
        ((9, 2, 1 << 20), 1 << 20, 5),  # 8 MB for a member
    ],
)
def test_rows_are_let_go_of_before_their_neighbours_fill_the_memory(shape, samples, runs):
    part = on_disk(shape)[:, :, :samples]
    assert len(rows_at_once(part)) == runs
    assert rows_at_once(np.zeros((*shape[:1], 2, 3))) == [slice(0, shape[0])]


def test_a_disk_without_room_is_told_before_anything_is_written(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(
        OSError, match=r"need 96 bytes in .*, which has 10 left; .*TMPDIR"
    ) as caught:
        on_disk((2, 3, 4))
    assert caught.value.errno == errno.ENOSPC


def test_a_disk_that_fails_otherwise_is_not_called_full(monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "posix_fallocate", broken)
    with pytest.raises(OSError, match="Input/output error"):
        on_disk((2, 3, 4))


def test_a_system_that_cannot_reserve_room_does_without(monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")
    assert not on_disk((2, 3, 4)).any()


def test_a_block_of_samples_is_written_where_the_array_lives():
    values = np.arange(600.0, dtype=np.float32).reshape(10, 2, 30)
    for array in (np.zeros_like(values), on_disk(values.shape)):
        for block in (slice(0, 7), slice(7, 30)):
            store_samples(array[:4], block, values[:4, :, block])
            store_samples(array[4:], block, values[4:, :, block])
        np.testing.assert_array_equal(array, values)


def test_members_that_are_no_neighbours_are_let_go_of_sooner():
    part = on_disk((400, 2, 20_000))[:, :, :10]
    assert len(rows_at_once(part)) < len(rows_at_once(part, apart=True))
