// Clients other than OpenSSH's that forward: what they reach is inside, where they listen is inside, and nothing is the host's.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../fixtures/free-port.ts';
import { control, lacks } from '../../fixtures/machine.ts';
import { describeFinished, waitUntil } from '../../fixtures/process.ts';
import { eachServer, useWorld } from '../../fixtures/world.ts';
import { askInside, askOutside, listenInside, listenOutside } from '../ssh/peers.ts';
import { Endpoint } from './endpoint.ts';

const world = useWorld({
  modes: eachServer,
  module: true,
  policy: { defaults: { image: 'host', linger: '5m', stop_grace: '0' } },
  sshdLines: ['AllowTcpForwarding yes', 'AllowStreamLocalForwarding yes', 'Match all'],
});

/** Forwards the ports $1 and $3 here to $2 and $4 there, and the port $5 there to $6 here. */
const forwarding = '-N -L "$1:127.0.0.1:$2" -L "$3:127.0.0.1:$4" -R "$5:127.0.0.1:$6"';
const carriers = {
  dbclient: `exec dbclient $DROPBEAR ${forwarding} "$WHERE"`,
  plink: `exec plink $PUTTY ${forwarding} "$WHERE"`,
  autossh: `exec autossh -M 0 -F "$SSH_CONFIG" ${forwarding} "$HOST"`,
};
/** Libraries, by the programs here that are made of them. */
const libraries = { paramiko: '$PARAMIKO', asyncssh: '$ASYNCSSH', libssh: '$LIBSSH' };
/** Connects its input and output with the port $1 there. */
const pipes = {
  'plink -nc': 'plink $PUTTY -nc "127.0.0.1:$1" "$WHERE"',
  'dbclient -B': 'dbclient $DROPBEAR -B "127.0.0.1:$1" "$WHERE"',
};

describe.skipIf(control || lacks('dbclient', 'plink', 'autossh', 'curl')).each(eachServer)(
  'as %s',
  (mode) => {
    let endpoint: Endpoint;
    const inside = { port: 0, socket: `/tmp/dockersh-test-${process.pid}-clients-${mode}` };
    const host = { port: 0, socket: `/srv/dockersh-test-${process.pid}-clients-${mode}` };
    beforeAll(async () => {
      const started = new AsyncDisposableStack();
      const login = world().login(mode);
      endpoint = await Endpoint.of(login);
      inside.port = await freePort();
      host.port = await freePort();
      started.use(await listenInside(login, 'inside', [`${inside.port}`, inside.socket]));
      started.use(await listenOutside('host', [`${host.port}`, host.socket]));
      return async () => {
        await started.disposeAsync();
        await rm(host.socket, { force: true });
      };
    });

    it.each(Object.entries(carriers))('%s: -L and -R', async (_name, carrier) => {
      const [one, two, there] = [await freePort(), await freePort(), await freePort()];
      const ports = [one, inside.port, two, host.port, there, host.port];
      await using running = endpoint.start(
        carrier,
        ports.map((port) => `${port}`),
      );
      await waitUntil(
        async () => (await askOutside([`${one}`]))[0] === 'inside',
        'the forward',
        60_000,
        () => running.stderr.toString(),
      );
      expect(await askOutside([`${two}`])).toEqual(['nothing']);
      await waitUntil(async () => (await askInside(endpoint.login, [`${there}`]))[0] === 'host', 'the other');
      expect(await askOutside([`${there}`])).toEqual(['ECONNREFUSED']);
    });

    it('autossh: comes back after the sandbox has stopped', async () => {
      const login = await world().addLogin(mode);
      const own = await Endpoint.of(login);
      const there = await freePort();
      await using running = own.start(
        'export AUTOSSH_GATETIME=0; exec autossh -M 0 -F "$SSH_CONFIG" -N -R "$1:127.0.0.1:$2" "$HOST"',
        [`${there}`, `${host.port}`],
      );
      const reached = async () => (await askInside(login, [`${there}`]))[0] === 'host';
      await waitUntil(reached, 'the forward', 60_000, () => running.stderr.toString());
      const before = (await world().host.sandboxOf(login.user))?.initPid;
      await world().host.ctlOk('stop', login.user.name);
      await waitUntil(reached, 'the forward to be there again', 60_000, () => running.stderr.toString());
      expect((await world().host.sandboxOf(login.user))?.initPid).not.toBe(before);
    });

    it('plink: -D', async () => {
      const socks = await freePort();
      await using _running = endpoint.start('exec plink $PUTTY -N -D "$1" "$WHERE"', [`${socks}`]);
      const ask = async (port: number): Promise<string> => {
        const script = 'curl -s --http0.9 --socks5-hostname "127.0.0.1:$1" "http://127.0.0.1:$2"';
        return (await endpoint.script(script, [`${socks}`, `${port}`])).stdout.toString();
      };
      await waitUntil(async () => (await ask(inside.port)) === 'inside', 'the forward', 60_000);
      expect(await ask(host.port)).toBe('');
    });

    it.each(Object.entries(pipes))('%s', async (_name, pipe) => {
      const reached = await endpoint.script(pipe, [`${inside.port}`]);
      expect(reached.stdout.toString(), describeFinished(reached)).toBe('inside');
      const refused = await endpoint.script(pipe, [`${host.port}`]);
      expect(refused.stdout.toString(), describeFinished(refused)).toBe('');
    });

    it.each(Object.entries(libraries))('%s: channels to ports', async (_name, library) => {
      const result = await endpoint.script(`${library} connect "$@"`, [`${inside.port}`, `${host.port}`]);
      expect(result.stdout.toString(), describeFinished(result)).toBe('inside\nnothing\n');
    });

    it.each(Object.entries(libraries))('%s: a listener at the other end', async (_name, library) => {
      const port = await freePort();
      await using running = endpoint.start(`exec ${library} listen "$@"`, [`${port}`, 'the client’s own']);
      await running.waitForOutput('ready');
      expect(await askOutside([`${port}`])).toEqual(['ECONNREFUSED']);
      expect(await askInside(endpoint.login, [`${port}`])).toEqual(['the client’s own']);
    });

    it('asyncssh: sockets, both ways', async () => {
      const reached = await endpoint.script('$ASYNCSSH connect "$@"', [inside.socket, host.socket]);
      expect(reached.stdout.toString(), describeFinished(reached)).toBe('inside\nnothing\n');
      const socket = join('/tmp', `dockersh-test-${process.pid}-listens`);
      await using running = endpoint.start('exec $ASYNCSSH listen "$@"', [socket, 'the client’s own']);
      await running.waitForOutput('ready');
      expect(await askOutside([socket])).toEqual(['ENOENT']);
      expect(await askInside(endpoint.login, [socket])).toEqual(['the client’s own']);
    });
  },
);
