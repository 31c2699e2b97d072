"""The example node with vzhooks installed, of each generation, for each rp_filter or for the default of EL."""

from contextlib import nullcontext, suppress

import pytest

pytest.register_assert_rewrite("tests.site", "tests.providers", "tests.told", "tests.wrapped")

from tests.extent import EACH_RP_FILTER, FULL  # noqa: E402
from tests.lab import ExampleNode  # noqa: E402
from tests.resident import resident  # noqa: E402
from tests.site import Site, unordered  # noqa: E402
from tests.told import running  # noqa: E402
from tests.wrapped import Wrapped  # noqa: E402
from vzhooks.cli import main  # noqa: E402

FILES = ("/etc/vz/vzhooks.ini", "/var/lib/vzhooks/vzhooks.ini.good", "/etc/vz/conf/101.conf")


BRIDGED = "4b"
"""Names vzctl 4 whose venet0 is a bridge, among generations."""


def pytest_configure(config):
    config.addinivalue_line("markers", "bridged: run on vzctl 4 whose venet0 is a bridge too")
    config.addinivalue_line("markers", "datapaths: run by marks as well as by rules")
    config.addinivalue_line("markers", "by_rules: chooses the datapath itself, or writes the whole ini; never by marks")
    config.addinivalue_line("markers", "unmended: goes by what stays broken, so never run it with the daemon")


def node_of(rp_filter, generation):
    return ExampleNode(rp_filter, 4 if generation == BRIDGED else generation, bridged=generation == BRIDGED)


def rp_filters(generation, core):
    """Return what `every` means: all three for the core promises, else on vzctl 4 in a full run; a bridge never."""
    if generation == BRIDGED:
        return (1,)
    return (0, 1, 2) if core else EACH_RP_FILTER if generation == 4 else (1,)


def beside_daemon(generation, core):
    """Tell whether a test with `every` runs with the daemon as well: the core promises, in a full run all of them."""
    return FULL or (core and generation != BRIDGED)


def pytest_generate_tests(metafunc):
    """Run on both generations, or on those a test names; on the bridged venet0 what is core or marked so."""
    marker = metafunc.definition.get_closest_marker("generation")
    core = metafunc.definition.get_closest_marker("core")
    generations = marker.args if marker else (4, 9)
    if 4 in generations and (core or metafunc.definition.get_closest_marker("bridged")):
        generations = (*generations, BRIDGED)
    ways = ("", "map") if core or FULL or metafunc.definition.get_closest_marker("datapaths") else ("",)
    ways = ("",) if metafunc.definition.get_closest_marker("by_rules") else ways
    if "every" in metafunc.fixturenames:
        settings = [(r, g, False, way) for g in generations for way in ways for r in rp_filters(g, core)]
        unmended = metafunc.definition.get_closest_marker("unmended")
        settings += [(1, g, True, way) for g in generations if beside_daemon(g, core) and not unmended
                     for way in (ways if FULL else ("",))]
        ids = [f"vz{g}-rp_filter{r}{'-daemon' * daemon}{'-map' * bool(way)}" for r, g, daemon, way in settings]
        metafunc.parametrize("every", settings, indirect=True, ids=ids)
    for name, scope in (("site", None), ("bare", None), ("shared", "module")):
        if name in metafunc.fixturenames:
            kinds = [(g, way) for g in generations for way in ways]
            ids = [f"vz{g}{'-map' * bool(way)}" for g, way in kinds]
            metafunc.parametrize(name, kinds, indirect=True, ids=ids, scope=scope)


@pytest.fixture
def every(request):
    """The node with each value of rp_filter, and once with the daemon."""
    *kind, daemon, datapath = request.param
    with node_of(*kind) as node:
        site = Site(node, datapath)
        site.install()
        with resident(site) if daemon else nullcontext():
            yield site


@pytest.fixture
def bare(request):
    """The node before `vzhooks install`, with rp_filter 1, as EL has it."""
    generation, datapath = request.param
    with node_of(1, generation) as node:
        yield Site(node, datapath)


@pytest.fixture
def site(request):
    """The node with rp_filter 1."""
    generation, datapath = request.param
    with node_of(1, generation) as node:
        site = Site(node, datapath)
        site.install()
        yield site


class Shared:
    """Lend one node, with VEs running on it, to many tests; one that leaves it changed gets the next a new one."""

    def __init__(self, generation, datapath, prepare):
        self.site, self.generation, self.datapath, self.prepare = None, generation, datapath, prepare

    def lend(self):
        if self.site is None:
            node = ExampleNode(1, self.generation).__enter__()
            self.site = Site(node, self.datapath)
            self.site.install()
            self.prepare(self.site)
            self.clean = unordered(self.site.state())
            self.files = [path for path in FILES if "101" not in path or not node.hn.exists(path)]
        return self.site

    def take_back(self):
        hn = self.site.node.hn
        for path in self.files:
            with suppress(FileNotFoundError):
                hn.path(path).unlink()
        if self.datapath:
            self.site.ini("")
        self.site.vzhooks("resync", rc=None)
        if unordered(self.site.state()) != self.clean:
            self.close()

    def close(self):
        if self.site:
            self.site.node.close()
        self.site = None


@pytest.fixture(scope="module")
def prepare():
    """What makes VEs run on the shared node: VE 102 by eth4, where a module does not say otherwise."""
    return running


@pytest.fixture(scope="module")
def shared(request, prepare):
    lender = Shared(*request.param, prepare)
    yield lender
    lender.close()


@pytest.fixture
def busy(shared):
    """A node on which VEs run, and on which a test starts nothing more."""
    yield shared.lend()
    shared.take_back()


@pytest.fixture
def hard(site):
    """The node hardened already, so that the state before a VE is the state after it."""
    site.take_any_source()
    assert site.node.hn.call(main.main, ["harden"]) == 0
    return site


@pytest.fixture
def wrapped(site):
    return Wrapped(site)


@pytest.fixture
def moved(wrapped):
    """VE 101 runs by eth3, and nothing of its start is under way any more."""
    wrapped.site.ve("101", uplink="eth3")
    wrapped.site.end_announcers()
    wrapped.site.vzhooks("resync")
    wrapped.site.end_announcers()
    return wrapped
