# A client made of libssh, for tests of what comes by it:
#
#   with_libssh.py PORT USER KEY exec COMMAND        its input, outputs and status
#   with_libssh.py PORT USER KEY terminal COMMAND    on a terminal of 91 columns and 33 rows
#   with_libssh.py PORT USER KEY copy LOCAL REMOTE BACK    there and back, by sftp
#   with_libssh.py PORT USER KEY connect PORT …      prints what each port says, or "nothing"
#   with_libssh.py PORT USER KEY listen PORT WORD    says WORD to the first who connects at the other end
import ctypes
import os
import sys

library = ctypes.CDLL("libssh.so.4")
HOST, PORT, USER, TIMEOUT = 0, 1, 4, 9  # enum ssh_options_e
CHUNK = 30000


def pointer(name, *args):
    function = getattr(library, name)
    function.restype = ctypes.c_void_p
    result = function(*args)
    if result is None:
        raise OSError(f"{name} failed")
    return ctypes.c_void_p(result)


class Session:
    def __init__(self, port, user, key):
        self.session = pointer("ssh_new")
        library.ssh_options_set(self.session, HOST, b"127.0.0.1")
        library.ssh_options_set(self.session, PORT, ctypes.byref(ctypes.c_uint(port)))
        library.ssh_options_set(self.session, USER, user.encode())
        library.ssh_options_set(self.session, TIMEOUT, ctypes.byref(ctypes.c_long(60)))
        self.call("ssh_connect", self.session)
        identity = ctypes.c_void_p()
        self.call("ssh_pki_import_privkey_file", key.encode(), None, None, None, ctypes.byref(identity))
        self.call("ssh_userauth_publickey", self.session, None, identity)

    def error(self):
        library.ssh_get_error.restype = ctypes.c_char_p
        return library.ssh_get_error(self.session).decode()

    def call(self, name, *args):
        result = getattr(library, name)(*args)
        if result < 0 or (result != 0 and not name.endswith("write")):
            raise OSError(f"{name}: {result}: {self.error()}")
        return result

    def write(self, channel, data):
        while data:
            data = data[self.call("ssh_channel_write", channel, data, ctypes.c_uint32(len(data))) :]

    def read(self, channel, is_stderr=0):
        buffer = ctypes.create_string_buffer(CHUNK)
        while (count := library.ssh_channel_read(channel, buffer, ctypes.c_uint32(CHUNK), is_stderr)) > 0:
            yield buffer.raw[:count]


def execute(session, command, terminal=False):
    channel = pointer("ssh_channel_new", session.session)
    session.call("ssh_channel_open_session", channel)
    if terminal:
        session.call("ssh_channel_request_pty_size", channel, b"xterm", 91, 33)
    session.call("ssh_channel_request_exec", channel, command.encode())
    buffer = ctypes.create_string_buffer(CHUNK)
    while data := sys.stdin.buffer.read(CHUNK):
        session.write(channel, data)
        # What has come meanwhile: the other end does not read for ever while nobody reads what it says.
        while (count := library.ssh_channel_read_nonblocking(channel, buffer, ctypes.c_uint32(CHUNK), 0)) > 0:
            sys.stdout.buffer.write(buffer.raw[:count])
    session.call("ssh_channel_send_eof", channel)
    for data in session.read(channel):
        sys.stdout.buffer.write(data)
    for data in session.read(channel, 1):
        sys.stderr.buffer.write(data)
    return library.ssh_channel_get_exit_status(channel)


def copy(session, local, remote, back):
    sftp = pointer("sftp_new", session.session)
    session.call("sftp_init", sftp)
    file = pointer("sftp_open", sftp, remote.encode(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    library.sftp_write.restype = library.sftp_read.restype = ctypes.c_ssize_t
    with open(local, "rb") as source:
        while data := source.read(CHUNK):
            session.call("sftp_write", file, data, ctypes.c_size_t(len(data)))
    session.call("sftp_close", file)
    file = pointer("sftp_open", sftp, remote.encode(), os.O_RDONLY, 0)
    buffer = ctypes.create_string_buffer(CHUNK)
    with open(back, "wb") as target:
        while (count := library.sftp_read(file, buffer, ctypes.c_size_t(CHUNK))) > 0:
            target.write(buffer.raw[:count])
    session.call("sftp_close", file)


def connect(session, *ports):
    for port in ports:
        channel = pointer("ssh_channel_new", session.session)
        if library.ssh_channel_open_forward(channel, b"127.0.0.1", int(port), b"127.0.0.1", 1) == 0:
            print(b"".join(session.read(channel)).decode() or "nothing")
        else:
            print("nothing")


def listen(session, port, word):
    session.call("ssh_channel_listen_forward", session.session, b"127.0.0.1", int(port), None)
    print("ready", flush=True)
    channel = pointer("ssh_channel_accept_forward", session.session, 60_000, None)
    session.write(channel, word.encode())
    session.call("ssh_channel_send_eof", channel)
    session.call("ssh_channel_close", channel)
    library.ssh_blocking_flush(session.session, 60_000)
    sys.stdin.read()


def main(port, user, key, verb, *words):
    session = Session(int(port), user, key)
    if verb in ("exec", "terminal"):
        return execute(session, *words, verb == "terminal")
    return {"copy": copy, "connect": connect, "listen": listen}[verb](session, *words)


sys.exit(main(*sys.argv[1:]))
