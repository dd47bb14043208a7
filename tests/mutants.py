"""A random sample of the mutants that mutmut makes, as names to run: see README.md beside this."""

from __future__ import annotations

import argparse
import random

from mutmut.configuration import config
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import get_mutant_name


def names() -> list[str]:
    """All mutants of the files that pyproject.toml names, in order."""
    assert config().only_mutate, "run from the root of the checkout"
    return [
        get_mutant_name(path, mutant)
        for path in sorted(walk_mutatable_files())
        for mutant in mutate_file_contents(str(path), path.read_text(), None, None).mutant_names
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", type=int, nargs="?", default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(*random.Random(options.seed).sample(names(), options.size), sep="\n")
