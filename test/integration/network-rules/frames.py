# Sends frames of every kind by a raw socket, each with its name in it. Arguments: own addresses (v4, v6), a neighbour's, the host's
# and those of somebody far away. Prints their names.

import socket
import sys

from scapy.all import (
    ARP,
    Dot1Q,
    Ether,
    ICMPv6ND_NS,
    IP,
    IPOption_LSRR,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    Raw,
    UDP,
)

own4, own6, bob4, bob6, host4, host6, far4, far6 = sys.argv[1:9]
mac = "02:00:00:00:00:01"
ether = Ether(src=mac, dst=mac)


def named(name):
    return Raw(f"frame:{name};".encode())


def udp(name):
    return UDP(sport=7100, dport=7100) / named(name)


def four(name, target, source=own4, **more):
    return name, ether / IP(src=source, dst=target, **more) / udp(name)


def six(name, target, source=own6):
    return name, ether / IPv6(src=source, dst=target) / udp(name)


frames = [
    four("own4", far4),
    six("own6", far6),
    four("forged4", far4, "203.0.113.77"),
    four("forged-bob4", far4, bob4),
    four("forged-host4", far4, host4),
    four("forged-loopback4", far4, "127.0.0.1"),
    six("forged6", far6, "2001:db8:9::9"),
    six("forged-bob6", far6, bob6),
    four("to-host4", host4),
    six("to-host6", host6),
    four("to-bob4", bob4),
    six("to-bob6", bob6),
    four("to-loopback4", "127.0.0.1"),
    four("to-nobody4", "10.99.0.200"),
    four("to-metadata4", "169.254.169.254"),
    six("to-metadata6", "fd00:ec2::254"),
    six("to-mapped6", "::ffff:169.254.169.254"),
    four("to-all4", "255.255.255.255"),
    four("to-many4", "224.0.0.1"),
    six("to-many6", "ff02::1"),
    four("by-detour4", far4, options=[IPOption_LSRR(routers=["169.254.169.254"])]),
    ("later-own4", ether / IP(src=own4, dst=far4, frag=100) / named("later-own4")),
    ("later-host4", ether / IP(src=own4, dst=host4, frag=100) / named("later-host4")),
    (
        "extended-metadata6",
        ether / IPv6(src=own6, dst="fd00:ec2::254") / IPv6ExtHdrDestOpt() / udp("extended-metadata6"),
    ),
    (
        "fragment-host6",
        ether / IPv6(src=own6, dst=host6) / IPv6ExtHdrFragment(offset=100) / named("fragment-host6"),
    ),
    ("tagged", ether / Dot1Q(vlan=5) / IP(src="203.0.113.77", dst=far4) / udp("tagged")),
    ("arp", ether / ARP(psrc=bob4, pdst=host4) / named("arp")),
    ("neighbour", ether / IPv6(src="fe80::1", dst="ff02::1") / ICMPv6ND_NS(tgt=host6) / named("neighbour")),
    ("experiment", Ether(src=mac, dst=mac, type=0x88B5) / named("experiment")),
]

packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
bypass = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
bypass.setsockopt(263, 20, 1)  # SOL_PACKET, PACKET_QDISC_BYPASS


def send(sender, frame, protocol):
    try:
        sender.sendto(bytes(frame), ("eth0", protocol))
    except OSError:
        pass  # the wall's answer


names = []
for name, frame in frames:
    names.append(name)
    send(packet, frame, frame.type)
# The kernel is told another protocol than the frame has.
for name, frame, protocol in [
    ("lie6", six("lie6", far6, "2001:db8:9::9")[1], 0x0800),
    ("lie4", four("lie4", far4, "203.0.113.77")[1], 0x86DD),
    ("lie-none4", four("lie-none4", far4, "203.0.113.77")[1], 0),
    ("lie-host6", six("lie-host6", host6)[1], 0x0800),
]:
    names.append(name)
    send(packet, frame, protocol)
for name, frame in [four("round-forged4", far4, "203.0.113.77"), six("round-host6", host6)]:
    names.append(name)
    send(bypass, frame, frame.type)
names.append("last")
send(packet, four("last", far4)[1], 0x0800)
print("\n".join(names))
