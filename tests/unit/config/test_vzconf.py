"""A VE's config is read as data, the way either vzctl reads it, and nothing in it is executed."""

import pytest

from vzhooks.config.names import NAME, names_in
from vzhooks.config.vzconf import parse, value_of
from vzhooks.errors import InputError

VZCTL4 = b'''# made by vzctl
ONBOOT="yes"
VE_ROOT="/vz/root/$VEID"
IP_ADDRESS="192.168.18.101 192.168.18.103/24"
IP_ADDRESS="fd00:18::101/64"   # another
HOSTNAME="a.example"
UPLINK="eth3"  # the customer's line
'''
OPENVZ9 = b'VE_ROOT=/vz/root/${VEID}\r\nIP_ADDRESS="10.0.0.5/255.255.255.0 fd00::5/64 "\r\nUPLINK=isp1\r\n'


def test_a_config_of_vzctl4():
    found = parse(VZCTL4, "101", "101.conf")
    assert found.addresses == ("192.168.18.101", "192.168.18.103", "fd00:18::101")
    assert (found.uplink, found.root, found.notes) == ("eth3", "/vz/root/101", ())


def test_a_config_of_openvz9():
    found = parse(OPENVZ9, "6d1b-uuid", "ve.conf")
    assert (found.addresses, found.uplink, found.root) == (("10.0.0.5", "fd00::5"), "isp1", "/vz/root/6d1b-uuid")


NIC = "ifname=%s,mac=00:18:51:00:00:01,host_mac=00:18:51:00:00:02,host_ifname=veth42cafe01"


def test_routed_nics_of_openvz9_are_covered_and_bridged_ones_named():
    value = ";".join([
        NIC % "venet0" + ",type=routed",
        NIC % "eth0" + ",type=bridge,network=Bridged,ip=10.9.0.5/255.255.255.0",
        NIC % "eth1" + ",type=routed,gw=10.0.0.1,ip=10.0.0.6/255.255.255.0:10.0.0.7,ip6=fd00::6/64,FD00::7/64",
        NIC % "eth2" + ",network=Old",
    ])
    found = parse(b'VEID="101"\nIP_ADDRESS="10.0.0.5/255.255.255.0 "\nNETIF="%s"\n' % value.encode(), "101", "ve.conf")
    assert found.addresses == ("10.0.0.5", "10.0.0.6", "10.0.0.7", "fd00::6", "fd00::7")
    assert (found.bridged, found.notes) == (("eth0", "eth2"), ())


@pytest.mark.parametrize("value, addresses", [
    ("", ()), (";;", ()), (",,=,", ()), ("ip=10.0.0.9", ()), ("type=routed", ()), ("type=routed,ip=,ip6=", ()),
    ("ip=10.0.0.9,type=routed", ("10.0.0.9",)), ("type=routed,ip=10.0.0.9:", ("10.0.0.9",)),
    ("type=routed,ip6=fd00::9/64", ("fd00::9",)), ("type=routed,ip=0.0.0.0", ()),
    ("type=routed,ip=10.0.0.8,10.0.0.9", ("10.0.0.8", "10.0.0.9")),
    ("type=routed,ip=10.0.0.8 10.0.0.9\t10.0.0.7:10.0.0.6", ("10.0.0.8", "10.0.0.9", "10.0.0.7", "10.0.0.6")),
    ("type=routed,ip6=fd00::8 fd00::9/64", ("fd00::8", "fd00::9")),
    ("type=routed,ip=10.0.0.9/255.255.255.0,ip6;ifname=net2,type=routed,ip,ip6=fd00::9", ("10.0.0.9", "fd00::9")),
    ("type=routed,ip6,fd00::8,ip=10.0.0.9", ("10.0.0.9", "fd00::8")),
])
def test_netif_in_odd_forms(value, addresses):
    found = parse(f'VEID="101"\nNETIF="{value}"\n'.encode(), "101", "ve.conf")
    assert (found.addresses, found.notes) == (addresses, ())


@pytest.mark.parametrize("value, devices", [
    (NIC % "venet0" + ",type=routed", ("veth42cafe01",)), (NIC % "eth0" + ",type=bridge", ()), (NIC % "eth0", ()),
    ("type=routed,host_ifname=web0;host_ifname=web1,type=routed,ip6=fd00::9", ("web0", "web1")),
    ("host_ifname=web0,type=routed;host_ifname=web0,type=routed", ("web0",)),
    ("host_ifname=,type=routed;type=routed;host_ifname,type=routed", ()),
    ("host_ifname=we b0,type=routed;host_ifname=../x,type=routed;host_ifname=\x1b[31m,type=routed", ()),
    ("host_ifname=longerthanthatis,type=routed", ()),
])
def test_the_node_s_ends_of_routed_nics_are_devices_of_the_ve(value, devices):
    assert parse(f'VEID="101"\nNETIF="{value}"\n'.encode(), "101", "ve.conf").devices == devices


def test_an_address_of_netif_that_is_none_is_told():
    found = parse(b'VEID="101"\nNETIF="type=routed,ip=10.0.0.300"\n', "101", "ve.conf")
    assert found.addresses == () and "NETIF: '10.0.0.300' is no address" in found.notes[0]


@pytest.mark.parametrize("raw, value", [
    ('"eth3"', "eth3"), ("eth3", "eth3"), ("'eth3'", "eth3"), ('"eth3" # note', "eth3"), ("eth3 # note", "eth3"),
    ('" eth3 "', "eth3"), ('"e\\th3"', "eth3"), ('""', ""), ("", ""), ("# only a note", ""), ('"a"b"', 'a"b'),
    ("a#b", "a#b"), ('"unclosed', '"unclosed'),
])
def test_quoting(raw, value):
    assert value_of(raw) == value


def config(line):
    return parse(b'ONBOOT="no"\n' + line.encode() + b"\n", "101", "101.conf")


@pytest.mark.parametrize("line, addresses", [
    ('IP_ADDRESS=""', ()), ('IP_ADDRESS="0.0.0.0"', ()), ('IP_ADDRESS="0.0.0.0/0 ::"', ()),
    ('IP_ADDRESS="10.0.0.1 10.0.0.1/32"', ("10.0.0.1",)), ('IP_ADDRESS="FD00::0:1"', ("fd00::1",)),
    ("IP_ADDRESS=10.0.0.1\t10.0.0.2", ("10.0.0.1", "10.0.0.2")),
    ('IP_ADDRESS="10.0.0.1,fd00::1/64, 10.0.0.2/24,"', ("10.0.0.1", "fd00::1", "10.0.0.2")),
    ('IP_ADDRESS="169.254.10.5"', ("169.254.10.5",)),
])
def test_addresses_are_canonical_and_once_each(line, addresses):
    assert config(line).addresses == addresses and config(line).notes == ()


@pytest.mark.parametrize("token", ["10.0.0", "10.0.0.300", "10.0.0.1/33", "$(reboot)", "127.0.0.1", "224.0.0.1",
                                   "fe80::1", "::ffff:10.0.0.1", "fe80::1%eth0", "a;b", "\x1b[31m"])
def test_an_address_that_is_none_is_told_and_skipped(token):
    found = config(f'IP_ADDRESS="10.0.0.1 {token}"')
    assert found.addresses == ("10.0.0.1",)
    assert len(found.notes) == 1 and found.notes[0].isprintable() and "IP_ADDRESS" in found.notes[0]


def test_the_last_uplink_counts():
    assert config('UPLINK="eth3"\nUPLINK="eth4"').uplink == "eth4"


@pytest.mark.parametrize("value", ['"isp1 isp2"', '"isp1,isp2"', "isp1 isp2  # both", "' isp1,  isp2,isp1 '",
                                   '"isp1\tisp2"', "isp1,isp2"])
def test_several_uplinks_are_a_list_in_their_order(value):
    assert config(f"UPLINK={value}").uplink == "isp1,isp2"


@pytest.mark.parametrize("value", ["isp1 $(x)", "isp1; rm -rf /", ",", "isp1 \xff", "none,"])
def test_a_list_with_what_is_no_name_is_no_list(value):
    assert config(f'UPLINK="{value}"').uplink not in ("", "isp1")


def test_blank_uplink_is_unassigned_and_told():
    assert config('UPLINK=""').uplink == "" and "blank" in config('UPLINK=" "').notes[0]


def test_uplink_none_is_unassigned():
    assert (config("UPLINK=none").uplink, config("UPLINK=none").notes) == ("", ())


@pytest.mark.parametrize("value", ["$(touch /x)", "`reboot`", "eth3; reboot", "../../etc", "\x1b]0;x\x07"])
def test_an_uplink_that_is_no_name_stays_what_it_is(value):
    """It resolves to no uplink, so the VE is cut off; it must not read as unassigned."""
    assert config(f'UPLINK="{value}"').uplink.isprintable() and config(f'UPLINK="{value}"').uplink != ""


def test_an_uplink_that_is_too_long_for_our_notes_is_none_that_there_is():
    uplink = config('UPLINK="{}"'.format(" ".join(f"isp{n}" for n in range(1000)))).uplink
    assert len(uplink) < 100 and names_in(uplink) != () and not all(NAME.fullmatch(n) for n in names_in(uplink))


@pytest.mark.parametrize("line", ["XUPLINK=a", "#UPLINK=a", "UPLINKS=a", "# export UPLINK = a", "#\ufeffUPLINK=a",
                                  "exportUPLINK=a", "UPLINK", "UP LINK=a", 'DESCRIPTION="UPLINK=a"', "NO UPLINK=a"])
def test_other_lines_are_no_uplink(line):
    assert (config(line).uplink, config(line).notes) == ("", ())


MEANT = ["UPLINK =isp1", 'UPLINK = "isp1"', "UPLINK\t=\t'isp1'", 'Uplink="isp1"', "uplink = isp1 # ours",
         'export UPLINK="isp1"', " EXPORT  uplink = isp1", '\ufeffUPLINK="isp1"', "\ufeff export UPLINK=isp1\r"]


@pytest.mark.parametrize("line", MEANT)
def test_a_line_that_is_surely_meant_as_uplink_counts_and_is_told(line):
    found = config(line)
    assert found.uplink == "isp1"
    assert len(found.notes) == 1 and found.notes[0].isprintable()
    assert found.notes[0].startswith("101.conf: line 2: ") and 'write UPLINK="isp1"' in found.notes[0]
    first = parse(line.encode() + b"\nONBOOT=no\n", "101", "101.conf")
    assert first.uplink == "isp1" and "line 1: " in first.notes[0]


def test_of_several_forms_the_last_counts_too():
    found = config('uplink = "eth3"\nUPLINK="eth4"')
    assert found.uplink == "eth4" and "line 2" in found.notes[0] and "line 3 counts" in found.notes[0]
    assert (config('UPLINK="eth4"\nUplink=none').uplink) == ""


@pytest.mark.parametrize("data", [b'UPLINK="isp1"\r', b'UPLINK="isp1"\rHOSTNAME="a"\n', b"UPLINK=isp1\r\r\n",
                                  b'HOSTNAME="a"\rUPLINK=isp1\rNAME=b\r'])
def test_a_bare_carriage_return_ends_the_line(data):
    assert parse(b"ONBOOT=no\n" + data, "101", "101.conf").uplink == "isp1"


@pytest.mark.parametrize("data, why", [
    (b"", "empty or caught in mid-save"), (b'UPLINK="eth3"\n', "mid-save"), (b"\n\n", "mid-save"),
    (b'ONBOOT="yes"\0\n', "binary"), (b"#" * (1 << 20) + b"##", "larger than"),
])
def test_what_cannot_be_a_config_is_an_error_not_an_unassigned_ve(data, why):
    with pytest.raises(InputError, match=why):
        parse(data, "101", "/etc/vz/conf/101.conf")


def test_bytes_that_are_no_text_do_no_harm():
    found = parse(b'ONBOOT=yes\nDESCRIPTION="\xff\xfe"\nUPLINK="\xff"\n', "101", "101.conf")
    assert found.uplink.isascii()
