// dockershctl for a machine whose processor is emulated, where each start of Node takes seconds: a script in its place there
// sends what it is asked to this side, where the bundle runs in the test's own process and speaks to the machine's daemon
// through a forwarded socket. What looks at the machine itself runs there as ever.

import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { dockershctl } from '../fixtures/cli/dockershctl.ts';

/** Verbs that say all there is to say to the daemon. */
const forwarded = ['commit', 'network', 'policy', 'ps', 'rollback', 'snapshot', 'stats', 'stop'];

/** Where the machine finds this side, and this side the machine's daemon. */
export const machinesEnd = '/run/ctl.sock';
export const adminSocket = '/run/dockersh/admin.sock';

/** The script: it goes before the real one in root's PATH. */
export const script = `#!/bin/bash
real() { exec /usr/bin/dockershctl "$@"; }
for word in "$@"; do case $word in --json) ;; --*) real "$@" ;; *) break ;; esac; done
case $word in ${forwarded.join(' | ')}) ;; *) real "$@" ;; esac
[[ $* != 'policy check'* ]] || real "$@"
{ read -r code; read -r out; read -r err; } < <(printf '%s\\0' "$@" | nc -UN ${machinesEnd})
[[ -n $code ]] || { echo 'no answer from the other side' >&2; exit 70; }
base64 -d <<<"$out"
base64 -d <<<"$err" >&2
exit "$code"
`;

/** Answers what the scripts ask at `path`. */
export async function serveCtl(path: string, socket: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (asker) => {
    asker.on('error', () => asker.destroy());
    void answer(asker, socket).catch(() => asker.destroy()); // who asks says that there is no answer
  });
  server.listen(path);
  await once(server, 'listening');
  return server;
}

async function answer(asker: Socket, socketPath: string): Promise<void> {
  const chunks: Buffer[] = [];
  // Not by "for await", which closes the other direction as well.
  asker.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(asker, 'end');
  const args = Buffer.concat(chunks).toString().split('\0').slice(0, -1);
  const { code, stdout, stderr } = await dockershctl(['--socket', socketPath, ...args]);
  asker.end(`${code}\n${stdout.toString('base64')}\n${stderr.toString('base64')}\n`);
}
