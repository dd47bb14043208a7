"""``ensprune inspect``: what a model file holds."""

from __future__ import annotations

import json
from typing import Any

from .command import add_model

SUMMARY = "show what a fitted ensemble consists of"


def add_arguments(parser: Any) -> None:
    add_model(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Any) -> None:
    from .description import describe
    from .models import read_model

    model = read_model(options.model, trust_pickle=options.trust_pickle, trusted=options.trust)
    description = describe(model, options.model)
    if options.json:
        print(json.dumps(description.as_dict(), indent=2))
    else:
        print(description)
