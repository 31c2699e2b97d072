# SPDX-License-Identifier: GPL-2.0-or-later
"""Say what to change: wanted and found in, ordered ops out. Pure.

The order closes before it opens and adds before it deletes, so that a crash after any op leaves no
packet a wrong way: guard, tables (last resort first), rules, published addresses, sysctls (without
the own-address rules some of the HN's addresses would go unanswered); then the same in reverse away.
Only what lies in the scope is ever deleted, and found holds only what carries our marks.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from vzhooks.addresses import length_of
from vzhooks.model import Element, Item, Proxy, Route, Rule, Skeleton, Sysctl
from vzhooks.policy import priorities as at
from vzhooks.policy.guard import is_map
from vzhooks.policy.harden import VALID_MARK
from vzhooks.policy.layout import MARK_SETS, VE_SETS
from vzhooks.policy.priorities import ENTER, NOWHERE, PASS, TO_VE, UNASSIGNED

ADD, REPLACE, DELETE = "add", "replace", "delete"
# What lets all others pass by stands before what stops, and a VE enters when its way is complete.
_RULES = {p: n for n, p in enumerate((
    at.OVER, PASS, NOWHERE, at.FROM_DEVICE, at.FROM_VE, TO_VE, at.JOIN, ENTER,
    at.BACK, at.MADE, at.MADE_NOWHERE, at.PAST, at.ARRIVING, at.OUTSIDE, at.UNMARKED, at.LOCAL_MARK, at.BY_MARK,
    at.OF_NODE, at.NO_WAY,
    at.END, at.REST, at.LAST, at.NEAR, at.KEPT, at.NEAR_MARK, at.BEHIND, UNASSIGNED))}


@dataclass(frozen=True)
class Op:
    """Hold one change: add, replace or delete of one item."""

    verb: str
    item: Item


@dataclass(frozen=True)
class Scope:
    """Limit a run to the VEs with these addresses, and the node's own items; None is all."""

    addresses: frozenset[str] | None = None

    def covers(self, item: Item) -> bool:
        """Tell whether a run of this scope may add or delete the item."""
        address = address_of(item)
        return self.addresses is None or not address or address in self.addresses


ALL = Scope()


def address_of(item: Item) -> str:
    """Return the VE address that an item serves, "" for an item of the node."""
    made = isinstance(item, Rule) and item.iif == "lo"  # by the node in a VE's name
    if isinstance(item, Rule) and (item.priority in (ENTER, TO_VE, at.FROM_VE, NOWHERE, at.NEAR) or made):
        return (item.dst or item.src).partition("/")[0]
    if isinstance(item, Proxy):
        return item.address
    if isinstance(item, Element) and item.set in VE_SETS:
        return item.value[0]
    return ""


def shape(items: Iterable[Item]) -> frozenset[object]:
    """Return which of what concerns all VEs is there: the guard, the rules to pass by, and that of `reserved`."""
    found: set[object] = set()
    for item in items:
        if isinstance(item, Skeleton):
            found.add(item)
        elif isinstance(item, Rule) and (item.priority in (PASS, at.UNMARKED) or _is_reserved(item)):
            found.add((item.family, item.priority))
    return frozenset(found)


def engages(items: Iterable[Item]) -> bool:
    """Tell whether there is any of that."""
    return any(shape((i,)) for i in items if isinstance(i, (Skeleton, Rule)))


def _is_reserved(rule: Rule) -> bool:
    return rule.priority == UNASSIGNED and bool(rule.mark or rule.iif)


def diff(wanted: Set[Item], found: Set[Item], scope: Scope = ALL) -> tuple[Op, ...]:
    """Return the ops that make found equal wanted within the scope, in a safe order."""
    wanted, found = frozenset(wanted), frozenset(found)
    if wanted == found:
        return ()
    if _skeletons(wanted) != _skeletons(found):
        return _with_new_guard(wanted, found, scope)
    add = [i for i in wanted - found if scope.covers(i)]
    delete = [i for i in found - wanted if scope.covers(i)]
    # A table serves every VE whose rule looks it up: while one beyond our scope does, it is not emptied.
    kept = {i.table for i in found if isinstance(i, Rule) and i not in delete}
    kept -= {i.table for i in wanted if isinstance(i, Route)}
    delete = [i for i in delete if not (isinstance(i, Route) and i.table in kept)]
    held, replaced = set(filter(None, map(key_of, found))), set(filter(None, map(key_of, add)))
    ops = [Op(REPLACE if key_of(i) in held else ADD, i) for i in sorted(add, key=_order)]
    gone = [i for i in delete if key_of(i) not in replaced]
    ops += [Op(DELETE, i) for i in sorted(gone, key=_order, reverse=True)]
    return tuple(sorted(ops, key=lambda op: _counts_no_marks(op.item)))  # that stays sorted else


def _counts_no_marks(item: Item) -> bool:
    """Tell whether an item has filters pass over marks again: not before no rule goes by them."""
    return isinstance(item, Sysctl) and item.key == VALID_MARK and item.value != "1"


def key_of(item: Item) -> object:
    """Return what there can be only one of, None for an item that stands beside any other."""
    if isinstance(item, Element):
        return (item.set, item.value[:-1]) if is_map(item) else None
    return item.key if isinstance(item, (Route, Sysctl)) else None


def _with_new_guard(wanted: frozenset[Item], found: frozenset[Item], scope: Scope) -> tuple[Op, ...]:
    """Return the ops where the guard's table as a whole has to come, go or be made anew.

    It then holds every element wanted, of all VEs: half a guard would cut the others off. Where nothing is to be marked
    any more, that comes last: rules by marks have to be gone before.
    """
    rest = diff(_without_guard(wanted), _without_guard(found), scope)
    if not _skeletons(wanted):
        return (*rest, *(Op(DELETE, s) for s in _skeletons(found)))
    skeleton = [Op(ADD if not _skeletons(found) else REPLACE, s) for s in _skeletons(wanted)]
    guard = (*skeleton, *(Op(ADD, e) for e in sorted((i for i in wanted if isinstance(i, Element)), key=_order)))
    was, now = (any(s.mask for s in _skeletons(items)) for items in (found, wanted))
    return (*rest, *guard) if was and not now else (*guard, *rest)


def _skeletons(items: Iterable[Item]) -> list[Skeleton]:
    return [i for i in items if isinstance(i, Skeleton)]


def _without_guard(items: Iterable[Item]) -> frozenset[Item]:
    return frozenset(i for i in items if not isinstance(i, (Skeleton, Element)))


def _order(item: Item) -> tuple:
    if isinstance(item, Skeleton):
        return (0,)
    if isinstance(item, Element):
        # Packets get a mark when there is a way for it.
        return (3.5 if item.set in MARK_SETS else 1, item.set, item.value)
    if isinstance(item, Route):
        # The last resort first, then networks by falling length, the default by the gateway last.
        length = 0 if item.dst == "default" else length_of(item.dst)
        return (2, bool(item.dev), -length, item.family, item.table, item.dst, item.metric, item.src, item.tos)
    if isinstance(item, Proxy):
        return (4, item.family, item.address, item.dev)
    if isinstance(item, Sysctl):
        return (2.5 if item.key == VALID_MARK else 5, item.key)
    last = item.priority == at.OUTSIDE  # all that has a mark has to find its rule before
    return (3, _RULES.get(item.priority, len(_RULES)) + 99 * last, item.priority, item.family, str(item))
