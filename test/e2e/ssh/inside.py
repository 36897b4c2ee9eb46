# Listens at places, or asks who is there, for tests of forwards: inside of a sandbox or outside.
#
#   inside.py listen WORD PLACE …    says WORD to whoever connects, until its input ends
#   inside.py ask PLACE …            prints what each says, or the name of the error
#
# A place is a port of the loopback, or the path of a socket.
import errno
import os
import socket
import sys
import threading


def target(place):
    if place.startswith("/"):
        return socket.AF_UNIX, place
    return socket.AF_INET, ("127.0.0.1", int(place))


def serve(listener, word):
    while True:
        connection, _ = listener.accept()
        connection.sendall(word.encode())
        connection.close()


def listen(word, places):
    for place in places:
        family, address = target(place)
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        if family == socket.AF_UNIX:
            os.chmod(place, 0o777)
        listener.listen()
        threading.Thread(target=serve, args=(listener, word), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


def ask(place):
    family, address = target(place)
    try:
        with socket.socket(family) as connection:
            connection.settimeout(10)
            connection.connect(address)
            said = b""
            while True:
                more = connection.recv(100)
                if not more:
                    return said.decode()
                said += more
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


if sys.argv[1] == "listen":
    listen(sys.argv[2], sys.argv[3:])
else:
    for one in sys.argv[2:]:
        print(ask(one) or "nothing", flush=True)
