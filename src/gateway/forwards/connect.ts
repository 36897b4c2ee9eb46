// Opens channels to ports and sockets inside (-L, -D, -W): the monitor's forwarder connects, in the sandbox's network.

import { closeAll } from '../../lib/fd.ts';
import { textOf, u32Of, WireWriter } from '../../lib/wire.ts';
import type { Opener } from '../channels/channels.ts';
import type { Monitor } from '../monitor/monitor.ts';
import { openFailure } from '../ssh/numbers.ts';
import { SocketStream } from '../streams/socket-stream.ts';

/** `kind`: of the target, which the client names in the channel's own words. */
export function connector(monitor: Monitor, kind: 'tcp' | 'unix'): Opener {
  return async (rest, open) => {
    const slot = monitor.slot();
    const asked = new WireWriter('gwConnect')
      .u32('slot', slot)
      .text('kind', kind)
      .bytes('name', rest.string());
    if (kind === 'tcp') asked.u32('code', rest.u32());
    const { message, fds } = await monitor.ask(slot, asked);
    const [fd, ...others] = fds;
    closeAll(others);
    if (fd === undefined || u32Of(message, 'code') !== 0) {
      closeAll(fds);
      return { reason: openFailure.connectFailed, text: textOf(message, 'text') ?? 'connection refused' };
    }
    const stream = SocketStream.of(fd);
    open().join(stream, [{ source: stream }]);
    return undefined;
  };
}
