# Keeps what it opens, as a program inside a sandbox would. Arguments: what to do, an address, a port, and more. Prints "ready" and then
# one line for each line of its input, or the one line that it is about.

import errno
import socket
import sys
import time

what, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET


def name_of(error):
    return "timeout" if isinstance(error, socket.timeout) else errno.errorcode.get(error.errno, str(error))


def say(value):
    print(value, flush=True)


def talk(kind):
    with socket.socket(family, kind) as made:
        made.settimeout(1)
        made.connect((address, port))
        say("ready")
        for _line in sys.stdin:
            try:
                made.send(b"hello")
                say("answer" if made.recv(4096) else "end")
            except OSError as error:
                say(name_of(error))


# How many connections of those it wants it gets; it keeps them until the next line.
def many():
    say("ready")
    for line in sys.stdin:
        kept, refused = [], 0
        for _number in range(int(line)):
            try:
                kept.append(socket.create_connection((address, port), 2))
            except OSError:
                refused += 1
        say(f"{len(kept)} {refused}")
        sys.stdin.readline()
        for made in kept:
            made.close()
        say("closed")


# Datagrams to so many ports, as fast as can be.
def flood():
    refused = 0
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        for number in range(int(sys.argv[4])):
            try:
                made.sendto(b"x", (address, 10000 + number))
            except PermissionError:
                refused += 1
    say(refused)


# What comes once something has been sent: how many datagrams in the half second before each line.
def listen():
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.sendto(b"go on", (address, port))
        say("ready")
        for _line in sys.stdin:
            count = 0
            made.setblocking(False)
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                try:
                    made.recv(4096)
                    count += 1
                except BlockingIOError:
                    time.sleep(0.01)
            say(count)


# Answers the first one with datagrams without end.
def pour():
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.bind((address, port))
        say("ready")
        _data, to = made.recvfrom(4096)
        while True:
            made.sendto(b"more", to)
            time.sleep(0.02)


# The size of packets that the way has, after one that is too large for it.
def size():
    level, discover, mtu = (41, 23, 24) if family == socket.AF_INET6 else (0, 10, 14)
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.setsockopt(level, discover, 2)
        made.connect((address, port))
        for _try in range(20):
            try:
                made.send(b"x" * 1400)
            except OSError:
                pass
            time.sleep(0.05)
        say(made.getsockopt(level, mtu))


# With an option for which no privilege is needed: level, number and value in hexadecimal.
def option():
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.settimeout(1)
        try:
            made.setsockopt(int(sys.argv[4]), int(sys.argv[5]), bytes.fromhex(sys.argv[6]))
            made.sendto(b"hello", (address, port))
            made.recv(4096)
            say("answer")
        except OSError as error:
            say(name_of(error))


# From an address that need not be its own, for which no privilege is needed (IP_FREEBIND, IPV6_FREEBIND).
def forge():
    level, freebind = (41, 78) if family == socket.AF_INET6 else (0, 15)
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.settimeout(0.5)
        try:
            made.setsockopt(level, freebind, 1)
            made.bind((sys.argv[4], 0))
            made.sendto(b"frame:forged;", (address, port))
            made.recv(4096)
            say("answer")
        except OSError as error:
            say(name_of(error))


# From the port of a connection that is there, with an option as above.
def detour():
    with socket.socket(family, socket.SOCK_DGRAM) as first, socket.socket(family, socket.SOCK_DGRAM) as second:
        first.settimeout(1)
        for made in first, second:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        first.bind(("", 5000))
        for _turn in range(2):
            first.sendto(b"hello", (address, port))
            first.recv(4096)
        second.bind(("", 5000))
        try:
            second.setsockopt(int(sys.argv[4]), int(sys.argv[5]), bytes.fromhex(sys.argv[6]))
            second.sendto(b"frame:detour;", (address, port))
            say("sent")
        except OSError as error:
            say(name_of(error))


# A packet of a protocol of its own, by a raw socket above the rules.
def raw():
    with socket.socket(family, socket.SOCK_RAW, int(sys.argv[4])) as made:
        try:
            made.sendto(b"hello", (address, 0))
            say("sent")
        except OSError as error:
            say(name_of(error))


{
    "tcp": lambda: talk(socket.SOCK_STREAM),
    "udp": lambda: talk(socket.SOCK_DGRAM),
    "many": many,
    "flood": flood,
    "listen": listen,
    "pour": pour,
    "size": size,
    "option": option,
    "raw": raw,
    "forge": forge,
    "detour": detour,
}[what]()
