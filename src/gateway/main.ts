// dockersh-gateway's connection process: speaks ssh with one client that nobody knows yet. Runs as an id that is nobody's, behind
// what native/gateway has taken from it; descriptor 3 leads to its monitor, 4 to signatures. It waits in the listener's pool
// until a client is handed to it, and ends with the client, or with its monitor.

import { Socket } from 'node:net';
import path from 'node:path';
import { loadAddon, SeqpacketConnection } from '../isolation/socket/seqpacket.ts';
import { OwnedFd } from '../lib/fd.ts';
import { Connection } from './connection.ts';
import { Monitor } from './monitor/monitor.ts';
import { signer } from './monitor/sign.ts';

const monitorFd = 3;
const signaturesFd = 4;
/** For the last bytes to leave; whoever does not read them goes without. */
const lastMs = 2000;

function log(text: string): void {
  process.stderr.write(`dockersh-gateway: ${text.replace(/[^ -~]/g, '?').slice(0, 500)}\n`);
}

async function serve(): Promise<void> {
  loadAddon(path.resolve(process.argv[2] ?? 'addon.node'));
  const monitor = new Monitor(new SeqpacketConnection(new OwnedFd(monitorFd)));
  const client = await monitor.start(() => process.exit(0));
  const socket = client.socket.handOver((fd) => new Socket({ fd, allowHalfOpen: true }));
  const ended = (why: string): void => {
    log(why);
    socket.once('close', () => process.exit(0));
    setTimeout(() => process.exit(0), lastMs);
  };
  new Connection({ ...client, socket, monitor, sign: signer(signaturesFd) }, ended).start();
}

process.on('uncaughtException', (error) => {
  log(`it failed: ${error.message}`);
  process.exit(70);
});
await serve();
