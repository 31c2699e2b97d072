# SPDX-License-Identifier: GPL-2.0-or-later
"""The mutator changes one thing at a time, and can tell that tests see it."""

import ast

from tests.proof.mutants import mutants

SOURCE = """\
def f(a, b):
    if a == 1 and not b:
        return [x for x in a if x]
    return a + 2 if b else a
"""


def test_each_kind_of_change_is_made():
    found = {what for _, what, _ in mutants(SOURCE)}
    assert {"a == 1 -> a != 1", "1 -> 2", "a == 1 and (not b) -> a == 1 or not b", "not b -> b", "a + 2 -> a - 2",
            "[x for x in a if x] -> [x for x in a]", "a + 2 if b else a -> a"} <= found


def test_a_mutant_is_code_that_differs():
    tree = ast.dump(ast.parse(SOURCE))
    dumps = [ast.dump(ast.parse(text)) for _, _, text in mutants(SOURCE)]
    assert tree not in dumps and len(dumps) > 10
