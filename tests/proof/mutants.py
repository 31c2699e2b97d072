# SPDX-License-Identifier: GPL-2.0-or-later
"""Change one thing at a time in what decides (vzhooks/policy), and see whether a unit test fails.

What no test tells apart is printed: either a test is missing, or the two mean the same.
"""

from __future__ import annotations

import ast
import copy
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
WING = "vzhooks/policy"
JUDGES = ("policy", "status", "doctor", "run", "node")
SWAPS: dict[type, type] = {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
                           ast.GtE: ast.Gt, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
                           ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitOr: ast.BitAnd,
                           ast.BitAnd: ast.BitOr}


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a node may be changed to, one thing different in each."""
    for name in ("op", "ops"):
        for at, old in enumerate(_list(getattr(node, name, []))):
            if type(old) in SWAPS:
                new = copy.deepcopy(node)
                swapped = SWAPS[type(old)]()
                setattr(new, name, swapped if name == "op" else [*node.ops[:at], swapped, *node.ops[at + 1:]])  # type: ignore
                yield new
    if isinstance(node, ast.BoolOp) and len(node.values) > 1:
        for at in range(len(node.values)):
            left = [v for n, v in enumerate(node.values) if n != at]
            yield left[0] if len(left) == 1 else ast.BoolOp(node.op, left)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    if isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    if isinstance(node, ast.Constant) and type(node.value) in (bool, int):
        yield ast.Constant(not node.value if isinstance(node.value, bool) else node.value + 1)
    if isinstance(node, (ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)):
        yield from _unfiltered(node)
    if isinstance(node, ast.If):
        for value in (True, False):
            new_if = copy.deepcopy(node)
            new_if.test = ast.Constant(value)
            yield new_if


def _list(value: object) -> list:
    return value if isinstance(value, list) else [value]


def _unfiltered(node: ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp) -> Iterator[ast.AST]:
    for at, generator in enumerate(node.generators):
        for n in range(len(generator.ifs)):
            new = copy.deepcopy(node)
            del new.generators[at].ifs[n]
            yield new


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, what was changed, and the new source, for each change that can be made."""
    tree = ast.parse(source)
    said = {id(inner) for node in ast.walk(tree) for part in _said(node) for inner in ast.walk(part)}
    for node in [n for n in ast.walk(tree) if hasattr(n, "lineno") and id(n) not in said]:
        for parent, name, at in _places(tree, node):
            for new in changes(node):
                _put(parent, name, at, ast.copy_location(new, node))
                text = ast.unparse(ast.fix_missing_locations(tree))
                _put(parent, name, at, node)
                yield node.lineno, f"{_short(node)} -> {_short(new)}", text


def _said(node: ast.AST) -> list[ast.AST]:
    """Return what of a node decides nothing: annotations and decorators."""
    found = [getattr(node, name, None) for name in ("annotation", "returns")]
    return [*filter(None, found), *getattr(node, "decorator_list", ())]


def _places(tree: ast.AST, node: ast.AST) -> list[tuple[ast.AST, str, int | None]]:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is node:
                return [(parent, name, None)]
            if isinstance(value, list) and any(v is node for v in value):
                return [(parent, name, [v is node for v in value].index(True))]
    return []


def _put(parent: ast.AST, name: str, at: int | None, node: ast.AST) -> None:
    if at is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[at] = node


def _short(node: ast.AST) -> str:
    return ast.unparse(node).splitlines()[0][:90]


class Judge:
    """Run unit tests on a copy of the tree, each time in a process forked from one that has the tools imported."""

    def __init__(self) -> None:
        self.copy = Path(tempfile.mkdtemp(prefix="mutants"))
        for part in ("vzhooks", "tests/unit", "tests/lab", "scripts", "conf", "docs"):
            shutil.copytree(ROOT / part, self.copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "tests/__init__.py", self.copy / "tests/__init__.py")
        import hypothesis  # noqa: F401, PLC0415 - before the forks
        import pyroute2  # noqa: F401, PLC0415
        import pytest  # noqa: F401, PLC0415

    def close(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self.copy)

    def kills(self, path: str, text: str) -> bool:
        """Tell whether a test fails where a file of the tree has this text; its own tests come first."""
        file = self.copy / path
        kept = file.read_text(encoding="utf-8")
        file.write_text(text, encoding="utf-8")
        own = self.copy / "tests/unit/policy" / f"test_{file.name}"
        try:
            return (own.exists() and not self._pass([str(own)])) or not self._pass(self._all())
        finally:
            file.write_text(kept, encoding="utf-8")

    def _all(self) -> list[str]:
        return [str(self.copy / "tests/unit" / name) for name in JUDGES if (self.copy / "tests/unit" / name).is_dir()]

    def _pass(self, tests: list[str]) -> bool:
        pid = os.fork()
        if pid == 0:
            self._become(tests)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    def _become(self, tests: list[str]) -> None:
        status = 1
        try:
            import pytest  # noqa: PLC0415
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            os.chdir(self.copy)
            sys.path[0] = str(self.copy)
            sys.dont_write_bytecode = True
            for name in [n for n in sys.modules if n.split(".")[0] in ("vzhooks", "tests")]:
                del sys.modules[name]
            status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--timeout", "60", *tests])
        finally:
            os._exit(int(status))


def main(most: int, start: int, names: list[str]) -> int:
    """Try so many mutants, chosen by the seed; print those that live, and counts; return how many live."""
    found = [(str(path.relative_to(ROOT)), *mutant) for path in sorted((ROOT / WING).glob("*.py"))
             if not names or path.stem in names for mutant in mutants(path.read_text(encoding="utf-8"))]
    chosen = random.Random(start).sample(found, min(most, len(found)))
    judge, alive = Judge(), 0
    try:
        assert judge._pass(judge._all()), "the unit tests fail already"
        for path, line, what, text in sorted(chosen):
            if not judge.kills(path, text):
                alive += 1
                print(f"lives: {path}:{line}: {what}", flush=True)
    finally:
        judge.close()
    print(f"{len(chosen)} of {len(found)} mutants tried, seed {start}: {len(chosen) - alive} killed, {alive} live")
    return alive
