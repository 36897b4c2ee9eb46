# A FUSE server that stops to answer: folders without end, each of which has every name in it.
#
#   fuse.py FOLDER    mounts itself there; says "ready", and "hangs" as soon as it has a line of input
import os
import select
import struct
import subprocess
import sys

LOOKUP, FORGET, GETATTR, OPENDIR, INIT, INTERRUPT, BATCH_FORGET = 1, 2, 3, 27, 26, 36, 42

folder = sys.argv[1]
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()},allow_other"
subprocess.run(["mount", "-i", "-t", "fuse", "-o", options, "hung", folder], check=True, pass_fds=[device])
os.set_blocking(device, False)
attributes = struct.pack("<QQQQQQIIIIIIIIII", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40777, 2, 0, 0, 0, 4096, 0)
hangs = False
count = 1


def answer(unique, data=b"", error=0):
    os.write(device, struct.pack("<IiQ", 16 + len(data), -error, unique) + data)


def serve(request):
    global count
    _, opcode, unique = struct.unpack_from("<IIQ", request)
    if opcode == INIT:
        answer(unique, struct.pack("<IIIIHHIIHHI7I", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, 0, *[0] * 7))
        print("ready", flush=True)
    elif opcode in (FORGET, BATCH_FORGET, INTERRUPT) or hangs:
        return
    elif opcode == LOOKUP:
        count += 1
        answer(unique, struct.pack("<QQQQII", count, 0, 0, 0, 0, 0) + attributes)  # to be asked for again at once
    elif opcode == GETATTR:
        answer(unique, struct.pack("<QII", 0, 0, 0) + attributes)
    else:
        answer(unique, error=38)


while True:
    ready, _, _ = select.select([device, *([] if hangs else [sys.stdin])], [], [])
    if sys.stdin in ready:
        if not sys.stdin.readline():
            break
        hangs = True
        print("hangs", flush=True)
    if device in ready:
        try:
            serve(os.read(device, 1 << 17))
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno == 19:  # ENODEV: it has been unmounted
                break
            if error.errno != 2:  # ENOENT: who asked has gone
                raise
