# SPDX-License-Identifier: GPL-2.0-or-later
"""Read our notes on VEs one by one, as they stand in the file: a hook needs few of thousands."""

from __future__ import annotations

import json
from collections.abc import Mapping

from vzhooks.node import notes
from vzhooks.policy.records import Record

_FIRST, _BETWEEN, _LAST = '{\n "', ',\n "', "\n}\n"
MOST_BEHIND = 1000
"""So many lines may stand behind the rest, before all are written anew."""


def load(path: str) -> tuple[dict[str, str], int] | None:
    """Return the records as `notes.text_of` makes them, by VE, and how many lines stand behind the rest.

    None where the file is not as `notes` writes it, or has no end: then all must be read. Raises HostError as
    `notes.load_ves`.
    """
    head, end, behind = (notes.text_in(path, "resync") or "").partition(_LAST)
    lines = behind.split("\n")
    if not (head.startswith(_FIRST) and end) or lines.pop():
        return None
    rows = head[len(_FIRST):].split(_BETWEEN)  # what is inside a record stands further in
    found = {row.partition('"')[0]: f' "{row}' for row in rows}
    for line in lines:
        if not line.startswith('{"'):
            return None
        ctid, _, value = line[2:-1].partition('": ')
        found.pop(ctid, None)
        if value != "null":
            found[ctid] = f' "{ctid}": {value}'
    return found, len(lines)


def record(path: str, text: str) -> Record:
    """Return the record that such a text is; raises HostError as `notes.load_ves`."""
    try:
        (found,) = (notes.record_of(**r) for r in json.loads(f"{{{text}}}").values())
        return found
    except notes.NOT_OURS:
        raise notes.not_ours(path, "resync") from None


def change(path: str, texts: Mapping[str, str], behind: int, changed: Mapping[str, Record | None]) -> None:
    """Write down what became of some records, None for one that is gone; texts, behind: what `load` has just told.

    Raises HostError.
    """
    if behind + len(changed) <= MOST_BEHIND:
        notes.add_records(path, changed)
        return
    kept = {c: text for c, text in texts.items() if c not in changed}
    notes.save_texts(path, {**kept, **{c: notes.text_of(c, r) for c, r in changed.items() if r}})
