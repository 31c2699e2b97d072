# SPDX-License-Identifier: GPL-2.0-or-later
"""What else lives on a node besides VEs: guests behind bridges, taps and routed veths, addresses in odd places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.lab.box import Box
from tests.lab.links import furnish
from tests.lab.node import ExampleNode
from tests.lab.tun import join

DNAT_PORT, SERVICE_PORT = 8080, 80
VIP, BRIDGE_VIP, LATE = "192.168.18.50", "192.168.18.51", "192.168.18.17"
LATE_NIC, LATE_MAC = "eth7", "00:0c:29:b3:a2:77"
VPN_NODE, VPN_PEER = "192.168.99.1", "192.168.99.2"


@dataclass(frozen=True)
class Guest:
    """Hold a guest of the node that is no VE; the LAN knows the way to it, but for one that is masqueraded.

    addresses: one of each family; leads_off: a default route names its device, so that no assigned VE may leave by it.
    """

    name: str
    box: Box
    addresses: tuple[str, str]
    masqueraded: bool = False
    leads_off: bool = False


def sh(box: Box, script: str) -> None:
    """Run commands in a box; one that fails raises."""
    done = box.run(["sh", "-ec", script])
    assert done.returncode == 0, done.stderr


def _veth(node: ExampleNode, name: str, device: str) -> Box:
    """Make a guest's box, with eth0 on a veth whose end on the node has this name."""
    box = furnish(node.box(name))
    sh(node.hn, f"ip link add {device} type veth peer name eth0 netns {box.pid}; ip link set {device} up")
    sh(box, "ip link set eth0 up")
    return box


def _six(node: ExampleNode, device: str, box: Box, address: str, network: str = "") -> None:
    """Give a guest an IPv6 address, its default route by the node's end of its wire, and the node the way to it."""
    sh(node.hn, f"ip addr add fe80::1/64 dev {device} nodad; ip -6 route add {network or address} dev {device}")
    sh(box, f"ip addr add {address}/128 dev eth0 nodad; ip -6 route add default via fe80::1 dev eth0")
    if address.startswith("fd00:18:"):
        sh(node.hn, f"ip -6 neigh add proxy {address} dev eth0")
    else:
        sh(node.client, f"ip -6 route add {network or address} via fd00:18::10")


def container(node: ExampleNode) -> Guest:
    """Add docker0 with a container: masqueraded, and reached at port 8080 of each address of the node."""
    box = _veth(node, "container", "veth1a2b3c4")
    sh(node.hn, f"""ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up
        ip link set veth1a2b3c4 master docker0
        nft add table ip docker
        nft 'add chain ip docker post {{ type nat hook postrouting priority 100; }}'
        nft 'add rule ip docker post ip saddr 172.17.0.0/16 oifname != "docker0" masquerade'
        nft 'add chain ip docker pre {{ type nat hook prerouting priority -100; }}'
        nft add rule ip docker pre fib daddr type local udp dport {DNAT_PORT} dnat to 172.17.0.2:{SERVICE_PORT}
        ip addr add fd00:17::1/64 dev docker0 nodad
        nft add table ip6 docker
        nft 'add chain ip6 docker post {{ type nat hook postrouting priority 100; }}'
        nft 'add rule ip6 docker post ip6 saddr fd00:17::/64 oifname != "docker0" masquerade'
        nft 'add chain ip6 docker pre {{ type nat hook prerouting priority -100; }}'
        nft add rule ip6 docker pre fib daddr type local udp dport {DNAT_PORT} dnat to '[fd00:17::2]:{SERVICE_PORT}'""")
    sh(box, """ip addr add 172.17.0.2/16 dev eth0; ip route add default via 172.17.0.1
        ip addr add fd00:17::2/64 dev eth0 nodad; ip -6 route add default via fd00:17::1""")
    return Guest("container", box, ("172.17.0.2", "fd00:17::2"), masqueraded=True)


def machine(node: ExampleNode) -> Guest:
    """Add a virtual machine on a tap, by a /32 of the LAN that the node answers for."""
    box = furnish(node.box("vm"))
    join(node.hn, "tap7", box, "eth0")
    sh(node.hn, """ip link set tap7 up; echo 1 >/proc/sys/net/ipv4/conf/tap7/proxy_arp
        echo 0 >/proc/sys/net/ipv4/neigh/tap7/proxy_delay
        ip route add 192.168.18.70 dev tap7; ip neigh add proxy 192.168.18.70 dev eth0""")
    sh(box, "ip link set eth0 up; ip addr add 192.168.18.70/32 dev eth0; ip route add default dev eth0")
    _six(node, "tap7", box, "fd00:18::70")
    return Guest("vm", box, ("192.168.18.70", "fd00:18::70"))


def routed(node: ExampleNode) -> Guest:
    """Add a container by a routed veth, as LXD and CNI's ptp do: a /32 of the LAN."""
    box = _veth(node, "lxd", "vethlxd0")
    sh(node.hn, """ip addr add 169.254.0.1/32 dev vethlxd0; ip route add 192.168.18.71 dev vethlxd0
        ip neigh add proxy 192.168.18.71 dev eth0""")
    sh(box, "ip addr add 192.168.18.71/32 dev eth0; ip route add default via 169.254.0.1 dev eth0 onlink")
    _six(node, "vethlxd0", box, "fd00:18::71")
    return Guest("lxd", box, ("192.168.18.71", "fd00:18::71"))


def routed_network(node: ExampleNode) -> Guest:
    """Add a container by a routed veth that has a /28, which the LAN reaches by the node."""
    box = _veth(node, "lxd28", "vethlxd1")
    sh(node.hn, "ip addr add 169.254.0.1/32 dev vethlxd1; ip route add 10.71.0.0/28 dev vethlxd1")
    sh(box, "ip addr add 10.71.0.2/28 dev eth0; ip route add default via 169.254.0.1 dev eth0 onlink")
    sh(node.client, "ip route add 10.71.0.0/28 via 192.168.18.10")
    _six(node, "vethlxd1", box, "fd00:71::2", "fd00:71::/112")
    return Guest("lxd28", box, ("10.71.0.2", "fd00:71::2"))


def unnumbered(node: ExampleNode) -> Guest:
    """Add a guest behind a veth without an address, whose gateway is an address of the node's NIC."""
    box = _veth(node, "unnumbered", "eni12ab")
    sh(node.hn, "ip route add 192.168.18.72 dev eni12ab; ip neigh add proxy 192.168.18.72 dev eth0")
    sh(box, """ip addr add 192.168.18.72/32 dev eth0; ip route add 192.168.18.10 dev eth0
        ip route add default via 192.168.18.10""")
    _six(node, "eni12ab", box, "fd00:18::72")
    return Guest("unnumbered", box, ("192.168.18.72", "fd00:18::72"))


def namespace(node: ExampleNode) -> Guest:
    """Add an administrator's own namespace behind a numbered veth, which the LAN reaches by the node."""
    box = _veth(node, "dns", "veth-dns")
    sh(node.hn, "ip addr add 10.55.0.1/30 dev veth-dns; ip addr add fd00:55::1/126 dev veth-dns nodad")
    sh(box, """ip addr add 10.55.0.2/30 dev eth0; ip route add default via 10.55.0.1
        ip addr add fd00:55::2/126 dev eth0 nodad; ip -6 route add default via fd00:55::1""")
    sh(node.client, "ip route add 10.55.0.0/30 via 192.168.18.10; ip -6 route add fd00:55::/126 via fd00:18::10")
    return Guest("dns", box, ("10.55.0.2", "fd00:55::2"))


def web(node: ExampleNode) -> Guest:
    """Add an administrator's namespace that main has a second default route by."""
    box = _veth(node, "web", "ns-web")
    sh(node.hn, """ip addr add 10.56.0.1/30 dev ns-web; ip route add default via 10.56.0.2 dev ns-web metric 500
        ip addr add fd00:56::1/126 dev ns-web nodad; ip route add default via fd00:56::2 dev ns-web metric 5000""")
    sh(box, """ip addr add 10.56.0.2/30 dev eth0; ip route add default via 10.56.0.1
        ip addr add fd00:56::2/126 dev eth0 nodad; ip route add default via fd00:56::1""")
    sh(node.client, "ip route add 10.56.0.0/30 via 192.168.18.10; ip route add fd00:56::/126 via fd00:18::10")
    return Guest("web", box, ("10.56.0.2", "fd00:56::2"), leads_off=True)


def pod(node: ExampleNode) -> Guest:
    """Add a pod as Calico does: a /32 by a veth that answers for everything."""
    box = _veth(node, "pod", "cali1234567")
    sh(node.hn, """echo 1 >/proc/sys/net/ipv4/conf/cali1234567/proxy_arp
        echo 0 >/proc/sys/net/ipv4/neigh/cali1234567/proxy_delay; ip route add 10.57.0.7 dev cali1234567""")
    sh(box, """ip addr add 10.57.0.7/32 dev eth0; ip route add 169.254.1.1 dev eth0
        ip route add default via 169.254.1.1""")
    sh(node.client, "ip route add 10.57.0.7 via 192.168.18.10")
    _six(node, "cali1234567", box, "fd00:57::7")
    return Guest("pod", box, ("10.57.0.7", "fd00:57::7"))


GUESTS: tuple[Callable[[ExampleNode], Guest], ...] = (
    container, machine, routed, routed_network, unnumbered, namespace, web, pod)


def tunnel(node: ExampleNode) -> None:
    """Add a VPN's device to the node, vx0, whose other end is the client; it goes by eth0."""
    for box, own, other, address in ((node.hn, "192.168.18.10", "192.168.18.129", VPN_NODE),
                                     (node.client, "192.168.18.129", "192.168.18.10", VPN_PEER)):
        sh(box, f"""ip link add vx0 type vxlan id 5 dstport 4789 local {own} remote {other}
            ip addr add {address}/24 dev vx0; ip link set vx0 up""")


def virtual_router(node: ExampleNode) -> str:
    """Add a VRRP address on a macvlan over eth3, as keepalived's use_vmac does; return it."""
    sh(node.hn, f"""ip link add link eth3 name vrrp3 address 00:00:5e:00:01:32 type macvlan mode bridge
        ip link set vrrp3 up; ip addr add {VIP}/32 dev vrrp3""")
    return VIP


def bridge_address(node: ExampleNode) -> str:
    """Put an address of the LAN on a bridge without ports, as on a dummy; return it."""
    sh(node.hn, f"ip link add vip0 type bridge; ip link set vip0 up; ip addr add {BRIDGE_VIP}/32 dev vip0")
    return BRIDGE_VIP


def late_nic(node: ExampleNode) -> str:
    """Give the node one more NIC with an address on the LAN; return the address."""
    node.add_nic(LATE_NIC, LATE_MAC)
    node.add_address(LATE_NIC, f"{LATE}/24")
    return LATE


def lan_bridge(node: ExampleNode, bridge: str = "br0", nic: str = "eth3") -> Guest:
    """Put a NIC and a guest of the LAN on a bridge that takes the NIC's addresses; br_netfilter is on by default."""
    box = _veth(node, "lanhost", "vnet7")
    sh(node.hn, f"""ip link add {bridge} address $(cat /sys/class/net/{nic}/address) type bridge
        ip link set {bridge} up; ip addr flush dev {nic}; ip link set {nic} master {bridge}
        ip link set vnet7 master {bridge}""")
    for cidr in node.nics[nic][1:]:
        node.add_address(bridge, cidr)
    sh(box, """ip addr add 192.168.18.73/24 dev eth0; ip route add default via 192.168.18.1
        ip addr add fd00:18::73/64 dev eth0 nodad; ip route add default via fd00:18::1""")
    return Guest("lanhost", box, ("192.168.18.73", "fd00:18::73"))
