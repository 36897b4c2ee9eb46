# Measures for how long a person beside a flood waits: for a connection that is made, and for a name that is found. For so many seconds, with a
# pause after each; prints both, in milliseconds.
#
#   network-flood.py SECONDS ADDRESS PORT RESOLVER
import json
import os
import socket
import sys
import time

seconds, address, port, resolver = float(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
took = {"connect": [], "lookup": []}
name = b"\3far\7example\0\0\1\0\1"


def connect():
    with socket.create_connection((address, port), timeout=20):
        pass


def lookup():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        for _ in range(4):  # as resolvers do
            number = os.urandom(2)
            asking.sendto(number + b"\1\0\0\1\0\0\0\0\0\0" + name, (resolver, 53))
            try:
                while asking.recv(512)[:2] != number:
                    pass
                return
            except TimeoutError:
                pass
    raise TimeoutError("nobody answers for names")


until = time.monotonic() + seconds
while time.monotonic() < until:
    for what in (connect, lookup):
        began = time.perf_counter()
        what()
        took[what.__name__].append((time.perf_counter() - began) * 1000)
        time.sleep(0.005)
print(json.dumps(took))
