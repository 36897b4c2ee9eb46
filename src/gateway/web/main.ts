// dockersh-web's connection process: serves the terminal page, and one terminal, to one browser's connection that nobody knows
// yet. Runs as the gateway's other connection processes do (../main.ts). The connection has been decrypted: a process that can
// do nothing else speaks TLS (native/tls), so that this one never has the certificate's key.

import { Socket } from 'node:net';
import path from 'node:path';
import { loadAddon, SeqpacketConnection } from '../../isolation/socket/seqpacket.ts';
import { OwnedFd } from '../../lib/fd.ts';
import { Monitor } from '../monitor/monitor.ts';
import { type Page, serveConnection } from './server.ts';

/** The build puts it here (script/build.ts). */
declare const dockershPage: Page;

const monitorFd = 3;

function log(text: string): void {
  process.stderr.write(`dockersh-gateway: ${text.replace(/[^ -~]/g, '?').slice(0, 500)}\n`);
}

async function serve(): Promise<void> {
  loadAddon(path.resolve(process.argv[2] ?? 'addon.node'));
  const monitor = new Monitor(new SeqpacketConnection(new OwnedFd(monitorFd)));
  const client = await monitor.start(() => process.exit(0));
  const socket = client.socket.handOver((fd) => new Socket({ fd, allowHalfOpen: true }));
  socket.on('error', () => socket.destroy());
  socket.once('close', () => process.exit(0));
  serveConnection({ socket, monitor, methods: client.methods, banner: client.banner, page: dockershPage });
}

process.on('uncaughtException', (error) => {
  log(`the web page's process failed: ${error.message}`);
  process.exit(70);
});
await serve();
