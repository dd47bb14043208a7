"""The API page lists what is public."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "api.rst"
MODULES = ("", ".selectors", ".members", ".objectives", ".mlp", ".inspection", ".datasets")


def listed() -> set[str]:
    """Full names on the page, each where its page says it is imported from."""
    names, module = set(), ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.rpartition(" ")[2]
        elif re.fullmatch(r"   [A-Za-z]\w*(\.\w+)*", line):
            names.add(f"{module}.{line.strip()}")
    return names


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_on_the_api_page(module):
    public = importlib.import_module(f"ensprune{module}").__all__
    short = {name.rpartition(".")[2] for name in listed()}
    assert set(public) <= short


def test_what_is_on_the_api_page_can_be_imported_from_there():
    for name in listed():
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name
