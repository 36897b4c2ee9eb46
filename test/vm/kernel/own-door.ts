// A user's own login socket on Debian's kernels, which are older than Linux 6.16: until then whoever waits to be accepted
// inherits what is set on a listening socket meanwhile.

import { expect, it } from 'vitest';
import { accounts, type OnKernel, testMs } from './on-kernel.ts';

export function ownDoorTests(on: OnKernel): void {
  it(
    "a login that has come by the user's own socket is served, though the sandbox ends meanwhile",
    async () => {
      await on.inside('bob', 'true');
      const init = await on.init('bob');
      const uid = 1000 + accounts.indexOf('bob');
      const socket = `/run/dockersh/doors/${uid}.sock`;
      const until = (condition: string): string =>
        `for i in $(seq 600); do ! ${condition} || break; sleep .05; done; ${condition}`;
      const script = `set -e
        daemon=$(systemctl show --property MainPID --value dockershd.service)
        trap 'kill -CONT $daemon' EXIT
        ${until(`[ -e ${socket} ]`)}
        kill -STOP $daemon
        kill -KILL ${init}
        ${until(`[ ! -e /run/dockersh/sandboxes/${uid}.sock ]`)}
        setpriv --reuid ${uid} --regid ${uid} --clear-groups dockersh -c 'echo served' &
        ${until(`grep -q ' 0005 02 .* ${socket}' /proc/net/unix`)}
        kill -CONT $daemon
        wait $!`;
      expect(await on.root(script)).toBe('served\n');
    },
    testMs,
  );
}
