// Everyday programs that are large, or run something of their own, do in a sandbox of the image `host` what they do on the
// host; and what cannot work there says why. Beside programs.test.ts.

import { beforeAll, describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control, lacks, unlimited } from '../../fixtures/machine.ts';
import { describeFinished } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

const memory = 1024 ** 3;
const defaults = { image: 'host', linger: '1h', stop_grace: '0', memory: '1G' };
let login: Login;

async function output(command: string): Promise<string> {
  const result = await login.ssh(`exec 2>&1; ${command}`, { timeoutMs: 240_000 });
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
}

/** What is said by a command that fails. */
async function failure(command: string): Promise<string> {
  const result = await login.ssh(`exec 2>&1; ${command}`);
  expect(result.code, describeFinished(result)).not.toBe(0);
  return result.stdout.toString();
}

describe.skipIf(control)('in the image host', { timeout: 300_000 }, () => {
  beforeAll(async () => {
    login = world().login('shell');
    await world().host.setPolicy({ defaults });
  }, 120_000);

  it.skipIf(lacks('Rscript'))('R has its packages', async () => {
    expect(await output(`Rscript -e 'cat(sd(1:3), nrow(head(data.frame(a = 1:9), 2)))'`)).toBe('1 2');
  });

  it.skipIf(lacks('mono'))('mono finds its configuration', async () => {
    expect(await output('mono /usr/lib/mono/4.5/gacutil.exe /l')).toContain('Number of items');
  });

  it.skipIf(lacks('nginx', 'curl'))('nginx has the types of files, on a port of the user’s', async () => {
    const configuration = `pid /tmp/web/pid; error_log stderr; daemon off; events {}
      http { include /etc/nginx/mime.types; access_log off; client_body_temp_path /tmp/web/a; proxy_temp_path /tmp/web/b;
        fastcgi_temp_path /tmp/web/c; uwsgi_temp_path /tmp/web/d; scgi_temp_path /tmp/web/e;
        server { listen unix:/tmp/web/socket; root /tmp/web; } }`;
    await output(
      `mkdir /tmp/web && echo 'p {}' >/tmp/web/x.css && cat >/tmp/web/conf <<'END'\n${configuration}\nEND`,
    );
    await using server = login.start('exec /usr/sbin/nginx -c /tmp/web/conf');
    const ask =
      'curl -sS --retry 60 --retry-delay 1 --retry-all-errors -I --unix-socket /tmp/web/socket http://x/x.css';
    expect(await output(`${ask} 2>/dev/null`)).toContain('Content-Type: text/css');
    expect(server.exited).toBe(false);
  });

  it.skipIf(lacks('dbus-launch'))('dbus-launch starts a bus of the user’s', async () => {
    const id = 'dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetId';
    expect(await output(`eval "$(dbus-launch --sh-syntax)"; ${id}; kill $DBUS_SESSION_BUS_PID`)).toMatch(
      /string "[0-9a-f]{32}"/,
    );
  });

  it.skipIf(lacks('chromium'))(
    'chromium starts without its own sandbox, which nesting would be needed for',
    async () => {
      const show = `chromium --headless --no-sandbox --disable-gpu --dump-dom 'data:text/html,<p>it shows</p>'`;
      expect(await output(show)).toContain('<p>it shows</p>');
    },
  );

  it.skipIf(lacks('gdb'))('gdb runs a program and sees its end', async () => {
    expect(await output('gdb -q -batch -ex run /bin/true')).toContain('exited normally');
  });

  it.skipIf(unlimited || lacks('node'))('node goes by the memory of the sandbox', async () => {
    const sizes = await output(
      `node -p 'process.constrainedMemory() + " " + v8.getHeapStatistics().heap_size_limit'`,
    );
    const [limit = 0, heap = Number.POSITIVE_INFINITY] = sizes.trim().split(' ').map(Number);
    expect([limit, heap <= memory]).toEqual([memory, true]);
  });

  it.skipIf(lacks('podman'))(
    'podman says that there are no namespaces of users without nesting',
    async () => {
      expect(await failure('podman info')).toContain('user namespaces are not enabled');
    },
  );

  it.skipIf(lacks('at', 'crontab'))(
    'what would start programs at a time says why it can’t, and where to go',
    async () => {
      for (const command of ['crontab -l', 'echo true | at now', 'batch </dev/null'])
        expect(await failure(command)).toMatch(/^\w+: .*given time.*administrator of this host.*\.\n$/);
    },
  );

  it('a terminal is closed to messages when its user says so', async () => {
    const session = await login.ssh('mesg n; mesg; mesg y; mesg', { options: ['-tt'] });
    expect(session.stdout.toString()).toMatch(/is n\r?\n.*is y/s);
  });

  it('no core files are written, and systemctl says what it says without systemd', async () => {
    expect(await output('ulimit -c')).toBe('0\n');
    expect(await failure('ulimit -c unlimited')).toMatch(/limit/);
    expect(await failure('systemctl status')).toContain('has not been booted with systemd');
  });
});
