"""A node that has nothing of vzhooks but what a package brings."""

import pytest

pytest.register_assert_rewrite("tests.site", "tests.told")

from tests.found import fresh  # noqa: E402
from tests.lab import ExampleNode  # noqa: E402
from tests.packages.installed.managers import MANAGERS, PATH  # noqa: E402
from tests.site import VE101, VE102, Site  # noqa: E402


class Packed(Site):
    """Hold a node whose vzhooks is the package's."""

    def __init__(self, node, manager):
        super().__init__(node)
        self.manager = manager

    def vzhooks(self, *args, rc=0):
        """Run the command that is on PATH; fail the test unless it ends with `rc` (None: any)."""
        done = self.node.hn.run(["vzhooks", *args], env={"PATH": PATH})
        assert rc is None or done.returncode == rc, done
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def put(self, packages, rc=0):
        """Install, or upgrade to, the one of these packages that is this manager's."""
        done = self.manager.put(self.node.hn, next(p for p in packages if p.suffix == f".{self.manager.ending}"))
        assert rc is None or bool(done.returncode) == bool(rc), done
        return done


@pytest.fixture(params=MANAGERS)
def packed(request):
    """A node with two VEs that ran before, and no vzhooks: of vzctl 4 for debs, of OpenVZ 9 for RPMs."""
    manager = MANAGERS[request.param]
    with ExampleNode(1, manager.generation) as node:
        site = Packed(node, manager)
        fresh(site)
        for ctid, address in (("101", VE101), ("102", VE102)):
            node.create_ve(ctid, [address])
            assert site.vzctl.start(ctid).rc == 0 and site.vzctl.stop(ctid).rc == 0
        yield site
