"""How many bytes is a forest on disk, and how long does it take to come back?

RandomForest(256) on real data, as it is, pruned to a tenth, with its leaves refitted, and with its trees
compacted, for at most half a point of the score out of bag, and then refitted; each written as a pickle, by joblib with several
compressors, and by skops (where it is installed). Prints bytes, their share of the full forest's
pickle, seconds to write and to load (the best of three), and checks that what comes back predicts the
same.
"""

from __future__ import annotations

import argparse
import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier

from ensprune import compact, prune, refine_leaves
from ensprune.datasets import load_hpc

Write, Read = Callable[[Any, Path], Any], Callable[[Path], Any]


def pickled(model: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(model, protocol=5))


def unpickled(path: Path) -> Any:
    return pickle.loads(path.read_bytes())


def formats() -> dict[str, tuple[Write, Read]]:
    """Ways to write and to read a model."""
    found: dict[str, tuple[Write, Read]] = {"pickle": (pickled, unpickled)}

    def dumped(compress: Any) -> Write:
        return lambda model, path: joblib.dump(model, path, compress=compress)

    for name, level in (("zlib", 3), ("bz2", 9), ("lzma", 3)):
        found[f"joblib {name} {level}"] = dumped((name, level)), joblib.load
    try:
        import zipfile

        import skops.io
    except ImportError:
        return found

    def trusted(path: Path) -> Any:
        return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))

    found["skops"] = skops.io.dump, trusted
    for name, method in (("deflated", zipfile.ZIP_DEFLATED), ("lzma", zipfile.ZIP_LZMA)):

        def written(model: Any, path: Path, method: int = method) -> None:
            skops.io.dump(model, path, compression=method)

        found[f"skops {name}"] = written, trusted
    return found


def best(call: Callable[[], Any], runs: int = 3) -> tuple[float, Any]:
    """The least of several times, and the result."""
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trees", type=int, default=256)
    parser.add_argument("--rows", type=int, default=3000, help="training rows at most")
    options = parser.parse_args()

    X, y = load_hpc(return_X_y=True)
    X = np.asarray(X, dtype=np.float32)
    rows = np.random.default_rng(0).permutation(len(y))
    train, test = rows[: options.rows], rows[options.rows :]
    full = RandomForestClassifier(options.trees, random_state=0).fit(X[train], y[train])
    pruned = prune(full, X[train], y[train], target_size=0.1, validation="oob")
    refined = refine_leaves(pruned, X[train], y[train], validation="oob", random_state=0)
    # Compacted first: to refitted leaves no row is out of bag.
    small = compact(pruned, X[train], y[train], tolerance=0.005, validation="oob")
    small = refine_leaves(small, X[train], y[train], validation="oob", random_state=0)
    whole = len(pickle.dumps(full, protocol=5))
    print(
        f"{'forest':<22}{'format':<16}{'bytes':>12}{'share':>8}{'write':>9}{'load':>9}{'score':>8}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, forest in {
            f"full, {len(full)} trees": full,
            f"pruned, {len(pruned)} trees": pruned,
            "+ leaves": refined,
            "+ compact + leaves": small,
        }.items():
            for number, (form, (write, read)) in enumerate(formats().items()):
                path = Path(folder) / f"model{number}"
                writing, _ = best(lambda: write(forest, path))  # noqa: B023
                reading, again = best(lambda: read(path))  # noqa: B023
                assert np.array_equal(again.predict_proba(X[test]), forest.predict_proba(X[test]))
                size = path.stat().st_size
                print(
                    f"{name:<22}{form:<16}{size:>12,}{size / whole:>8.2%}{writing:>8.3f}s"
                    f"{reading:>8.3f}s{forest.score(X[test], y[test]):>8.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
