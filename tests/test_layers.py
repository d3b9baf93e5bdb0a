"""Imports go down only: a reader of a module need not know those above it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tests.support.process import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = ROOT / "tap_siro"
LAYERS = (
    {"probe", "tap", "streams", "__main__"},
    {"sync"},
    {"api", "singer"},
    {"records"},
    {"schemas", "settings", "credentials"},
    {"clock", "timestamps", "errors"},
)
"""Modules and folders, the highest first."""


def unit(module: str) -> str:
    """Return the folder or top-level module of a module."""
    return module.split(".")[1] if "." in module else ""


def level(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names)


def imports(path: Path) -> Iterator[str]:
    """Return the package's modules that a module imports, except for types alone."""
    nodes = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        nodes += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            if node.module == "tap_siro":
                yield from (f"tap_siro.{alias.name}" for alias in node.names)
            elif node.module and node.module.startswith("tap_siro."):
                yield node.module
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("tap_siro"))


EDGES = {
    (unit(f"tap_siro.{'.'.join(path.relative_to(PACKAGE).with_suffix('').parts)}"), unit(imported), path.name)
    for path in PACKAGE.rglob("*.py")
    for imported in imports(path)
}


def test_imports_go_down_only() -> None:
    assert len(EDGES) > len(LAYERS)
    for above, below, name in EDGES:
        assert above == below or level(above) <= level(below), f"{name} imports {below}, which is above it"


def test_folders_of_one_level_depend_on_each_other_in_one_direction_at_most() -> None:
    pairs = {(above, below) for above, below, _ in EDGES if above != below}
    assert not [pair for pair in pairs if pair[::-1] in pairs]
