"""Sphinx: API pages from the docstrings, the user guide, and a gallery of the examples.

    python -m sphinx -W docs docs/_build

No page needs the network, neither to be built nor to be read.
"""

import warnings
from importlib.metadata import version as version_of
from pathlib import Path

project = "ensprune"
author = "the ensprune developers"
project_copyright = author
release = version = version_of("ensprune")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/*.ipynb", "README.md"]
templates_path = ["_templates"]
default_role = "literal"

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings have them
autodoc_inherit_docstrings = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = "ensprune"
html_static_path = ["_static"]
html_css_files = ["wide_tables.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
}
html_sidebars = {"index": [], "user_guide": []}

# The large experiments take minutes and have a page of numbers in the README.
_SHOWN_ONLY = r"compare_pruned_ensembles|prune_mlp_mnist"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"\.py$",
    "ignore_pattern": _SHOWN_ONLY,
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
    "min_reported_time": 1e9,
    "reference_url": {"ensprune": None},
    "abort_on_example_error": True,
    # A figure comes of drawing, not of the name of the object on a cell's last line.
    "capture_repr": (),
    "default_thumb_file": str(Path(__file__).parent / "images" / "compare.png"),
}

# Its own advice to call it otherwise when it draws without a screen.
warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
