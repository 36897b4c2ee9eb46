# Prints the names of frames that arrive: at an interface as they are, or at a UDP port. Arguments: "frames" and an interface, or
# "datagrams" and a port.

import re
import select
import socket
import sys

kind, where = sys.argv[1:3]
if kind == "frames":
    sockets = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))]
    sockets[0].bind((where, 3))
else:
    sockets = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)]
    sockets[1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    for made in sockets:
        made.bind(("", int(where)))
print("ready", flush=True)
while True:
    for made in select.select(sockets, [], [])[0]:
        data, address = made.recvfrom(65536)
        if kind == "frames" and address[2] == 4:
            continue  # its own way out
        for name in re.findall(rb"frame:([a-z0-9-]+);", data):
            print(name.decode(), flush=True)
