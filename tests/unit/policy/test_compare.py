"""What a first change does to those who asked for nothing is asked before and after it, and said."""

from tests.unit.example import NICS, facts, nic
from vzhooks.model import MAIN, Lookup, Route, Ve
from vzhooks.policy.compare import FAR, Flow, differences, flows
from vzhooks.policy.uplinks import Way

DOCKER = nic("docker0", 20, "172.17.0.1/16", kind="bridge")
KNOWN = facts(*NICS, DOCKER, local=["192.168.18.105"])
PLAIN = [Way(Ve("105", ("192.168.18.105",)), "unassigned")]


def test_the_node_its_guests_and_unassigned_ves_are_asked_about():
    asked = {(f.src, f.dst, f.iif) for f in flows(KNOWN, PLAIN, False)}
    assert {("192.168.18.11", FAR[4], ""), ("192.168.18.11", "192.168.18.1", ""), ("192.168.18.105", FAR[4], "venet0"),
            ("172.17.0.2", FAR[4], "docker0"), ("172.17.0.2", "192.168.18.105", "docker0")} <= asked


def test_who_is_held_by_the_ini_itself_is_not_asked_about():
    assert not [f for f in flows(KNOWN, PLAIN, True) if "192.168.18.105" in (f.src, f.dst)]


def test_a_guest_s_network_of_one_address_is_asked_about_by_it():
    known = facts(*NICS, nic("lxd7", 21, kind="veth"), main=[Route(4, MAIN, "10.1.0.7/32", "lxd7")])
    assert [f.src for f in flows(known, (), False) if f.iif] == ["10.1.0.7"]


ONE, TWO = Flow("the node's .11", "192.168.18.11", FAR[4]), Flow("the guest", "172.17.0.2", FAR[4], "docker0")
BY0, BY3, LOST = Lookup(254, "eth0", "192.168.18.1"), Lookup(9, "eth3", "192.168.18.1"), Lookup(error="No route")


def test_what_differs_is_said_and_what_is_lost_apart():
    assert differences({ONE: BY0, TWO: BY0}, {ONE: BY3, TWO: LOST}) == (
        [f"the node's .11 to {FAR[4]}: eth0 via 192.168.18.1 -> eth3 via 192.168.18.1"],
        [f"the guest to {FAR[4]}: eth0 via 192.168.18.1 -> No route"])


def test_what_went_nowhere_before_is_no_loss():
    assert differences({ONE: LOST}, {ONE: LOST}) == ([], [])
    assert differences({ONE: LOST}, {ONE: BY0}) == ([f"the node's .11 to {FAR[4]}: No route -> eth0 via 192.168.18.1"],
                                                    [])
