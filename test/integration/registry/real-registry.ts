// Debian's docker-registry on a port of the loopback interface, with a folder of its own; and skopeo.

import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../fixtures/free-port.ts';
import { Running, runOk, waitUntil } from '../../fixtures/process.ts';

export interface RegistrySetup {
  /** Of the loopback interface: "127.0.0.1" where it is not said, or "[::1]". */
  readonly address?: string;
  /** File of htpasswd: then nobody gets in without. */
  readonly htpasswd?: string;
  readonly tls?: { readonly certificate: string; readonly key: string; readonly clientCa?: string };
}

export class RealRegistry implements AsyncDisposable {
  readonly #process: Running;
  readonly host: string;
  /** Where it keeps its blobs. */
  readonly root: string;

  private constructor(process: Running, at: { port: number; address: string }, root: string) {
    this.#process = process;
    this.host = `${at.address}:${at.port}`;
    this.root = root;
  }

  static async start(folder: string, setup: RegistrySetup = {}): Promise<RealRegistry> {
    const root = join(folder, 'data');
    const { address = '127.0.0.1' } = setup;
    await mkdir(root, { recursive: true });
    for (let attempt = 0; ; attempt += 1) {
      const port = await freePort();
      const file = join(folder, 'config.json');
      // YAML, of which JSON is a part.
      await writeFile(file, JSON.stringify(configuration(root, port, setup)));
      const registry = new RealRegistry(
        new Running('docker-registry', ['serve', file]),
        { port, address },
        root,
      );
      await waitUntil(
        async () => registry.#process.exited || (await answers(port, address)),
        'docker-registry',
        20_000,
        () => registry.log,
      );
      if (!registry.#process.exited) return registry;
      // Somebody else has taken the port meanwhile.
      if (attempt === 5) throw new Error(`docker-registry does not start: ${registry.log}`);
    }
  }

  get log(): string {
    return this.#process.stderr.toString() + this.#process.stdout.toString();
  }

  /** Requests that it has answered, as "METHOD path status". */
  get requests(): string[] {
    return [...this.log.matchAll(/"([A-Z]+) (\/v2\/[^ ]*) HTTP\/[0-9.]+" ([0-9]+)/g)].map(
      ([, method, path, status]) => `${method} ${path} ${status}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

function configuration(
  root: string,
  port: number,
  { address = '127.0.0.1', htpasswd, tls }: RegistrySetup,
): object {
  return {
    version: '0.1',
    log: { level: 'info', accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: root } },
    http: {
      addr: `${address}:${port}`,
      secret: 'fixed, so that uploads survive',
      ...(tls && {
        tls: {
          certificate: tls.certificate,
          key: tls.key,
          ...(tls.clientCa && { clientcas: [tls.clientCa] }),
        },
      }),
    },
    ...(htpasswd && { auth: { htpasswd: { realm: 'test', path: htpasswd } } }),
  };
}

async function answers(port: number, address: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, address.replaceAll(/[[\]]/g, ''), () => resolve(true));
  socket.on('error', () => resolve(false));
  const result = await promise;
  socket.destroy();
  return result;
}

/** skopeo without signatures, TLS and anybody's configuration. */
export function skopeo(folder: string, ...args: readonly string[]): Promise<string> {
  return runOk('skopeo', ['--insecure-policy', ...args], {
    env: { PATH: process.env['PATH'], HOME: folder, XDG_RUNTIME_DIR: folder },
  });
}

/** An authority, a certificate for 127.0.0.1 and one for a client, all in `folder`. */
export async function makeCertificates(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const openssl = (...args: readonly string[]): Promise<string> => runOk('openssl', args, { cwd: folder });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = ['-addext', 'basicConstraints=critical,CA:TRUE', '-days', '2'];
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-subj',
    '/CN=test',
    ...authority,
  );
  for (const [name, purpose] of [
    ['server', 'serverAuth'],
    ['client', 'clientAuth'],
  ]) {
    await writeFile(
      join(folder, `${name}.ext`),
      `subjectAltName=IP:127.0.0.1,DNS:registry.test\nextendedKeyUsage=${purpose}\n`,
    );
    await openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const sign = [
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.crt',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
    ];
    await openssl(...sign, '-days', '2', '-out', `${name}.cert`, '-extfile', `${name}.ext`);
  }
}
