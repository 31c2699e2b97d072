"""Elements that the daemon changes by nfnetlink are those that nft(8) makes and lists, all of a change or none."""

import pytest

pytestmark = pytest.mark.generation(4)


def changes():
    """Change elements of every set by nfnetlink, and by nft(8); return what each time was there, as nft(8) lists it."""
    import itertools
    import socket

    from vzhooks.kernel import elements, nft
    from vzhooks.kernel.apply import guard_text
    from vzhooks.kernel.monitor import NETLINK_NETFILTER
    from vzhooks.model import Element
    from vzhooks.policy import guard
    from vzhooks.policy.plan import ADD, DELETE, REPLACE, Op

    values = {"ipv4_addr": ("10.0.0.7", "255.0.1.2"), "ipv6_addr": ("fd00::7", "2001:db8:1:2:3:4:5:6"),
              "@th,64,128": ("fd00::8", "2001:db8::1:0:0:1"), "ifname": ("eth3", "fifteen-letters"),
              "iifname": ("eth4", "v.1@2"), "ether_addr": ("02:00:00:00:00:01", "fe:dc:ba:98:76:54")}

    def of(name, n):
        kind = guard.SETS[name].partition(" ")[2].replace(" : ", " . ")
        return Element(name, tuple(values[part][n] for part in kind.split(" . ")))
    first, second = ([of(name, n) for name in guard.SETS] for n in (0, 1))
    numbers, seen = itertools.count(1), []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as line:
        line.settimeout(5)

        def by_hand(ops):
            taken = elements.change(line, ops, next(numbers))
            seen.append((taken, nft.found() - {guard.SKELETON}))

        def listed(ops):
            nft.load(guard_text(ops))
            seen.append((None, nft.found() - {guard.SKELETON}))
        nft.load(guard.full(()))
        add, more = (tuple(Op(ADD, e) for e in group) for group in (first, second))
        for way in (by_hand, listed):
            way((*add, *more))
            way((*add, *(Op(DELETE, e) for e in second)))
            way((*(Op(DELETE, e) for e in first), *more))
            way(tuple(Op(DELETE, e) for e in second))
        by_hand(add)
        by_hand((*more, Op(DELETE, Element("ves4", ("10.9.9.9",)))))  # which is not there
        by_hand((*more, Op(ADD, Element("arp:askers", ("eth3", "10.3.3.3")))))  # whose key has another value
        by_hand((Op(REPLACE, Element("arp:askers", ("eth3", "10.3.3.3"))),))
        by_hand((Op(ADD, Element("ves4", ("fd00::1",))),))
        by_hand((Op(ADD, Element("held", ("eth*",))),))
    return seen, frozenset(first), frozenset(second)


def test_nft_lists_what_was_changed_by_hand(site):
    site.install()
    seen, first, second = site.node.hn.call(changes)
    nothing = frozenset()
    assert [found for _, found in seen[:4]] == [first | second, first, second, nothing]
    assert [found for _, found in seen[4:8]] == [found for _, found in seen[:4]]
    (asker,) = (e for e in first if e.set == "arp:askers")
    moved = first - {asker} | {type(asker)("arp:askers", ("eth3", "10.3.3.3"))}
    assert [found for _, found in seen[8:]] == [first, first, first, moved, moved, moved]
    assert [taken for taken, _ in seen] == [True] * 4 + [None] * 4 + [True, False, False, True, False, False]
