# A client made of asyncssh, for tests of what comes by it:
#
#   with_asyncssh.py PORT USER KEY exec COMMAND        its input, outputs and status
#   with_asyncssh.py PORT USER KEY terminal COMMAND    on a terminal of 91 columns and 33 rows
#   with_asyncssh.py PORT USER KEY agent COMMAND       with the agent of SSH_AUTH_SOCK
#   with_asyncssh.py PORT USER KEY copy LOCAL REMOTE BACK    there and back, by sftp
#   with_asyncssh.py PORT USER KEY scp LOCAL REMOTE BACK     there and back, by scp
#   with_asyncssh.py PORT USER KEY connect PLACE …     prints what each port or socket says, or "nothing"
#   with_asyncssh.py PORT USER KEY listen PLACE WORD   says WORD to whoever connects at the other end, until its input ends
import asyncio
import os
import sys
import warnings

warnings.simplefilter("ignore")  # of a library that it loads
import asyncssh  # noqa: E402


async def execute(client, command, **options):
    result = await client.run(command, input=sys.stdin.buffer.read(), encoding=None, **options)
    sys.stdout.buffer.write(result.stdout)
    sys.stderr.buffer.write(result.stderr)
    return result.exit_status


async def copy(client, local, remote, back):
    async with client.start_sftp_client() as sftp:
        await sftp.put(local, remote)
        await sftp.get(remote, back)


async def scp(client, local, remote, back):
    await asyncssh.scp(local, (client, remote))
    await asyncssh.scp((client, remote), back)


async def connect(client, *places):
    for place in places:
        try:
            if place.startswith("/"):
                reader, _ = await client.open_unix_connection(place)
            else:
                reader, _ = await client.open_connection("127.0.0.1", int(place))
            print((await reader.read()).decode() or "nothing")
        except asyncssh.ChannelOpenError:
            print("nothing")


async def listen(client, place, word):
    def serve(*_):
        async def handle(reader, writer):
            writer.write(word.encode())
            writer.write_eof()
            await writer.drain()
            writer.close()

        return handle

    if place.startswith("/"):
        await client.start_unix_server(serve, place)
    else:
        await client.start_server(serve, "127.0.0.1", int(place))
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def main(port, user, key, verb, *words):
    agent = {"agent_forwarding": True, "agent_path": os.environ["SSH_AUTH_SOCK"]} if verb == "agent" else {"agent_path": None}
    async with asyncssh.connect(
        "127.0.0.1", int(port), username=user, client_keys=[key], known_hosts=None, config=None, login_timeout=60, **agent
    ) as client:
        if verb in ("exec", "agent"):
            return await execute(client, *words)
        if verb == "terminal":
            return await execute(client, *words, term_type="xterm", term_size=(91, 33))
        return await {"copy": copy, "scp": scp, "connect": connect, "listen": listen}[verb](client, *words)


sys.exit(asyncio.run(main(*sys.argv[1:])))
