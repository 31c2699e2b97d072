"""The chains of our tables, as nft(8) is told them."""

import pytest

from vzhooks.policy import layout

HELD = """\
inet assigned{f}
    oifname @reserved counter name drop_reserved drop
    oifname != @near {ip} saddr . oifname != @exits{f} counter name drop_uplink drop
inet unassigned{f}
    oifname @reserved counter name drop_reserved drop
inet assigned_here{f}
    iif != 0 {ip} saddr . iifname != @homes{f} counter name drop_spoofed drop
    goto assigned{f}
inet unassigned_here{f}
    iif != 0 {ip} saddr . iifname != @homes{f} counter name drop_spoofed drop
    goto unassigned{f}
"""
SIDE = HELD.format(f=4, ip="ip") + HELD.format(f=6, ip="ip6") + """\
inet side
    oifname @reserved counter name drop_reserved drop
    iifname @held oifname != @near iifname . oifname != @ways counter name drop_uplink drop
    iifname @strict ip saddr . iifname != @homes4 counter name drop_spoofed drop
"""
REST = """\
    iifname . oifname @bridged iifname . ether daddr != @macs return
    iifname @veside jump side
    ip saddr vmap @known4
    ip6 saddr vmap @known6
    iifname @closed oifname != @near counter name drop_unknown drop
"""
SOLICITED = """\
    iifname @lan icmpv6 type nd-neighbor-solicit @th,64,128 @asked6 @th,64,128 . iifname != @answers6 \
counter name drop_ndp drop
"""
ASKED = """\
arp asked type filter hook input priority -10
    iifname @lan arp operation request arp daddr ip @asked4 arp daddr ip . iifname != @answers4 \
counter name drop_arp drop
"""
ASKING = """\
arp asking type filter hook output priority -10
    arp operation request arp saddr ip set oifname map @askers
"""
RULE = SIDE + f"""\
inet forward type filter hook forward priority -10
    ip saddr . iifname . oifname @paths4 accept
    ip6 saddr . iifname . oifname @paths6 accept
{REST}\
inet made type filter hook output priority -10
    ip saddr vmap @known4
    ip6 saddr vmap @known6
inet solicited type filter hook input priority -10
{SOLICITED}{ASKED}{ASKING}"""
SET = "meta mark set meta mark and 0xff00ffff"
MAP = f"""\
inet way_00010000
    ip daddr != @here4 {SET} or 0x00010000 return
    ip6 daddr != @here6 {SET} or 0x00010000 return
    {SET} or 0x00810000
inet return_00010000
    {SET} or 0x00410000
arp return_00010000
    {SET} or 0x00410000
inet owners
%(stray)s\
    iifname vmap @beyond
inet %(name)s type filter hook prerouting priority -80
%(ways)s\
    iifname @veside goto owners
    ip daddr . iifname @exits4 iifname vmap @returns
    ip6 daddr . iifname @exits6 iifname vmap @returns
    {SET} or 0x003d0000
inet makers
    ip saddr vmap @made4
    ip6 saddr vmap @made6
    accept
inet making type route hook output priority -140
    jump makers
    meta mark and 0x00800000 != 0 meta mark set meta mark and 0xff7fffff accept
    meta mark set meta mark or 0x00400000
inet made type filter hook postrouting priority -155
    iif != 0 accept
    ip saddr vmap @known4
    ip6 saddr vmap @known6
{SIDE}\
inet forward type filter hook forward priority -155
%(outs)s\
    meta mark and 0x00ff0000 != 0 {SET}
{REST}\
inet solicited type filter hook input priority -155
    meta mark and 0x00ff0000 != 0 {SET}
{SOLICITED}{ASKED}\
    arp operation request arp daddr ip . iifname @answers4 iifname vmap @returns
    arp operation request {SET} or 0x003d0000
{ASKING}"""
SHARED = {"stray": "", "name": "shared_00ff0000",
          "ways": '    iifname "venet0" ip saddr vmap @made4\n    iifname "venet0" ip6 saddr vmap @made6\n',
          "outs": f'    iifname "venet0" ip saddr . oifname @exits4 {SET} accept\n'
                  f'    iifname "venet0" ip6 saddr . oifname @exits6 {SET} accept\n'}
OWN = {"stray": "    ip saddr @here4 goto way_003e0000\n    ip6 saddr @here6 goto way_003e0000\n",
       "name": "marks_00ff0000", "ways": "    ip saddr . iifname vmap @ways4\n    ip6 saddr . iifname vmap @ways6\n",
       "outs": f"    ip saddr . oifname @exits4 ip saddr . iifname @homes4 {SET} accept\n"
               f"    ip6 saddr . oifname @exits6 ip6 saddr . iifname @homes6 {SET} accept\n"}


@pytest.mark.parametrize("given, text", [
    (layout.layout(), RULE), (layout.layout(0xFF0000, (0x10000,), True), MAP % SHARED),
    (layout.layout(0xFF0000, (0x10000,)), MAP % OWN)], ids=["rule", "map behind venet0", "map"])
def test_they_are_these_and_no_others(given, text):
    lines = [line for (family, name, hook), rules in given.chains.items()
             for line in (f"{family} {name} {hook}".strip(), *(f"    {rule}" for rule in rules))]
    assert lines == text.splitlines()
    counts = {f: sum(len(r) for (family, _, _), r in given.chains.items() if family == f) for f in layout.FAMILIES}
    assert {f: len(c) for f, c in given.comments.items()} == counts
