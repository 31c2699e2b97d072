"""The example node as values, for tests of pure code."""

from vzhooks import policy
from vzhooks.model import Gateway, Nic
from vzhooks.policy import Facts
from vzhooks.settings import parse
from vzhooks.tables import allocate


def nic(name, index, *addresses, **more):
    return Nic(name, index, addresses=addresses, **more)


LO = nic("lo", 1, loopback=True)
ETH0 = nic("eth0", 2, "192.168.18.10/24")
ETH3 = nic("eth3", 3, "192.168.18.11/24")
ETH4 = nic("eth4", 4, "192.168.18.12/24")
VENET0 = nic("venet0", 5)
NICS = (LO, ETH0, ETH3, ETH4, VENET0)
GATEWAYS = (Gateway("192.168.18.1", "eth0"),)


def facts(*nics, gateways=GATEWAYS, local=()):
    return Facts({n.name: n for n in nics or NICS}, gateways, frozenset(local))


def numbers(settings, known, ves):
    return allocate(policy.table_keys(settings, known.nics, ves), {}, {}, lambda n: False)


def wanted(*ves, ini="", known=None, occupied=None):
    settings, known = parse(ini), known or facts()
    return policy.wanted(settings, known, ves, numbers(settings, known, ves), occupied or {})


def rules(found, priority=None):
    """Return the rules as ip(8) text without our marks, in the kernel's order."""
    return [str(r).rsplit(" priority", 1)[0] for r in sorted(
        (i for i in found.items if isinstance(i, policy.Rule) and priority in (None, i.priority)),
        key=lambda r: (r.priority, str(r)))]


def routes(found, table):
    """Return the routes of one table as ip(8) text without our marks."""
    return sorted(str(i).replace(f" table {table}", "").replace(" proto 118", "")
                  for i in found.items if isinstance(i, policy.Route) and i.table == table)


def elements(found, name):
    """Return the values of one of the guard's sets."""
    return sorted(i.value for i in found.items if isinstance(i, policy.Element) and i.set == name)
