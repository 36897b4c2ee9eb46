# A client made of paramiko, for tests of what comes by it:
#
#   with_paramiko.py PORT USER KEY exec COMMAND        its input, outputs and status
#   with_paramiko.py PORT USER KEY terminal COMMAND    on a terminal of 91 columns and 33 rows
#   with_paramiko.py PORT USER KEY agent COMMAND       with the agent of SSH_AUTH_SOCK
#   with_paramiko.py PORT USER KEY copy LOCAL REMOTE BACK    there and back, by sftp
#   with_paramiko.py PORT USER KEY connect PLACE …     prints what each port says, or "nothing"
#   with_paramiko.py PORT USER KEY listen PORT WORD    says WORD to whoever connects at the other end, until its input ends
import sys
import threading

import paramiko
from paramiko.agent import AgentRequestHandler


def execute(client, command, prepare=lambda channel: None):
    channel = client.get_transport().open_session()
    prepare(channel)
    channel.exec_command(command)

    def feed():
        while data := sys.stdin.buffer.read(32768):
            channel.sendall(data)
        channel.shutdown_write()

    def errors():
        while data := channel.recv_stderr(32768):
            sys.stderr.buffer.write(data)

    threads = [threading.Thread(target=each, daemon=True) for each in (feed, errors)]
    for thread in threads:
        thread.start()
    while data := channel.recv(32768):
        sys.stdout.buffer.write(data)
    threads[1].join()
    return channel.recv_exit_status()


def copy(client, local, remote, back):
    with client.open_sftp() as sftp:
        sftp.put(local, remote)
        sftp.get(remote, back)


def said(channel):
    text = b""
    while data := channel.recv(1000):
        text += data
    return text.decode() or "nothing"


def connect(client, *ports):
    for port in ports:
        try:
            channel = client.get_transport().open_channel("direct-tcpip", ("127.0.0.1", int(port)), ("127.0.0.1", 1))
            print(said(channel))
        except paramiko.ChannelException:
            print("nothing")


def listen(client, port, word):
    def serve(channel, origin, server):
        channel.sendall(word.encode())
        channel.close()

    client.get_transport().request_port_forward("127.0.0.1", int(port), serve)
    print("ready", flush=True)
    sys.stdin.read()


def main(port, user, key, verb, *words):
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect("127.0.0.1", int(port), user, key_filename=key, allow_agent=False, look_for_keys=False, timeout=60, banner_timeout=60, auth_timeout=60)
        if verb == "exec":
            return execute(client, *words)
        if verb == "terminal":
            return execute(client, *words, lambda channel: channel.get_pty("xterm", 91, 33))
        if verb == "agent":
            return execute(client, *words, AgentRequestHandler)
        return {"copy": copy, "connect": connect, "listen": listen}[verb](client, *words)


sys.exit(main(*sys.argv[1:]))
