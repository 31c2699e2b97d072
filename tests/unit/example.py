"""The example node as values, for tests of pure code."""

from vzhooks.addresses import family_of, host_prefix
from vzhooks.config.settings import parse
from vzhooks.model import MAIN, Element, Gateway, Nic, Route, Rule
from vzhooks.policy import wanting
from vzhooks.policy.facts import Facts, in_this_node, known_of, settle
from vzhooks.policy.tables import allocate


def nic(name, index, *addresses, **more):
    return Nic(name, index, addresses=addresses, **more)


LO = nic("lo", 1, loopback=True)
ETH0 = nic("eth0", 2, "192.168.18.10/24")
ETH3 = nic("eth3", 3, "192.168.18.11/24")
ETH4 = nic("eth4", 4, "192.168.18.12/24")
VENET0 = nic("venet0", 5)
NICS = (LO, ETH0, ETH3, ETH4, VENET0)
GATEWAYS = (Gateway("192.168.18.1", "eth0"),)


def main_of(nics, gateways, local):
    """Return the routes that main has of these devices, as the kernel makes them."""
    connected = [Route(family_of(net), MAIN, net, n.name, metric=256 if ":" in net else 0)
                 for n in nics if n.up for net in n.networks]
    defaults = [Route(family_of(g.address), MAIN, "default", g.dev, g.address, 1024 if ":" in g.address else 0)
                for g in gateways]
    return tuple(connected + defaults + [Route(family_of(a), MAIN, host_prefix(a), "venet0") for a in local])


def facts(*nics, gateways=GATEWAYS, local=(), main=(), others=()):
    """Return what the kernel says, each device with its role as far as the kernel alone tells it."""
    nics = nics or NICS
    raw = Facts({n.name: n for n in nics}, (*main_of(nics, gateways, local), *main), others=tuple(others))
    return settle(raw, known_of(parse(""), raw.nics, raw.main, (), (), ()))


def numbers(settings, known, ves):
    return allocate(wanting.table_keys(settings, known, ves), {}, {}, lambda n: False)


def known_by(settings, known, ves):
    """Return the facts with the roles that an ini and these VEs give."""
    devices, addresses = {d for v in ves for d in v.devices}, {a for v in ves for a in v.addresses}
    return settle(known, known_of(settings, known.nics, known.main, devices, addresses, [v.uplink for v in ves]))


def wanted(*ves, ini="", known=None, occupied=None, keep=False, strict=False, **more):
    settings, known = parse(ini), known or facts()
    known = known_by(settings, known, ves)
    settings = in_this_node(settings, known.nics)
    return wanting.wanted(settings, known, ves, numbers(settings, known, ves), occupied or {}, keep, strict,
                         **more)


def rules(found, priority=None):
    """Return the rules as ip(8) text without our marks, in the kernel's order."""
    return [str(r).rsplit(" priority", 1)[0] for r in sorted(
        (i for i in found.items if isinstance(i, Rule) and priority in (None, i.priority)),
        key=lambda r: (r.priority, str(r)))]


def routes(found, table):
    """Return the routes of one table as ip(8) text without our marks."""
    return sorted(str(i).replace(f" table {table}", "").replace(" proto 118", "")
                  for i in found.items if isinstance(i, Route) and i.table == table)


def table_of(key, *ves, ini="", known=None):
    """Return the number of a table that `wanted` uses for the same arguments."""
    settings, known = parse(ini), known or facts()
    known = known_by(settings, known, ves)
    return numbers(in_this_node(settings, known.nics), known, ves)[key]


def elements(found, name):
    """Return the values of one of the guard's sets."""
    return sorted(i.value for i in found.items if isinstance(i, Element) and i.set == name)
