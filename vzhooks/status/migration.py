# SPDX-License-Identifier: GPL-2.0-or-later
"""Lay out a migration: as a unified diff of ini, configs and ip rules, and as JSON. Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence

from vzhooks.errors import printable
from vzhooks.policy.foreign import Other
from vzhooks.policy.legacy import Plan

SCHEMA = 1
RULES = "ip rule"
Texts = Mapping[str, "tuple[str | None, str]"]


def diff(texts: Texts, rules: Sequence[Other], plan: Plan) -> str:
    """Return the changes as a unified diff, "" for none; texts: by file, what is there and what will be."""
    lines: list[str] = []
    for path, (old, new) in texts.items():
        name = path if old is not None else "/dev/null"
        lines += difflib.unified_diff((old or "").splitlines(), new.splitlines(), name, path, lineterm="")
    kept = [_rule(o) for o in rules if o not in plan.drop]
    lines += difflib.unified_diff([*map(_rule, rules)], kept, RULES, RULES, lineterm="", n=0)
    return "\n".join(printable(line) for line in lines)


def _rule(rule: Other) -> str:
    return f"{'-6 ' if rule.family == 6 else ''}{rule.named}"


def as_json(texts: Texts, plan: Plan, left: Iterable[str]) -> str:
    """Return the same as one JSON object."""
    return json.dumps({
        "schema": SCHEMA,
        "uplinks": [{"uplink": s.name, "device": s.device, "gateways": list(s.gateways.values())}
                    for s in plan.sections],
        "ves": [{"ve": ctid, "uplink": name} for ctid, name in plan.uplinks.items()],
        "drop": [printable(_rule(o)) for o in plan.drop],
        "notes": [printable(n) for n in plan.notes],
        "left": [printable(text) for text in left],
        "files": sorted(path for path, (old, new) in texts.items() if old != new),
    }, indent=2)
