// Runs OpenSSH's own regression tests, of which the shell scripts are in a folder of Debian's package openssh-tests, against the gateway: as a user
// who has a sandbox with the host's network and home. script/openssh-tests calls it.   main.ts FOLDER [TEST…]

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { chmod, chown, cp, mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { Gateway } from '../fixtures/gateway/gateway.ts';
import { Host } from '../fixtures/host.ts';
import { checkout } from '../fixtures/paths.ts';
import { Running, run, runOk } from '../fixtures/process.ts';
import { TestUser } from '../fixtures/users.ts';
import { serverTests } from './tests.ts';
import { algorithms, type Translated, translate } from './translate.ts';

const mostSeconds = 240;

class Servers implements AsyncDisposable {
  readonly #host: Host;
  readonly #user: TestUser;
  readonly #started = new Map<string, Promise<Gateway>>();
  #parts = new AsyncDisposableStack();
  #count = 0;
  /** What has been asked for in vain since the last reset(). */
  readonly missing = new Set<string>();

  constructor(host: Host, user: TestUser) {
    this.#host = host;
    this.#user = user;
  }

  /** What the stand-in is to say. */
  async answer(request: string): Promise<string> {
    const [kind = '', config = '', ...options] = request.split('\n');
    const translated = translate(readFileSync(config, 'utf8'), options.filter(Boolean));
    for (const line of translated.missing) this.missing.add(line);
    if (translated.missing.length > 0) return `no counterpart: ${translated.missing.join('; ')}`;
    if (kind === 'test') return 'ok';
    return kind === 'once' ? `ok ${(await this.#once(translated)).port}` : await this.#serve(translated);
  }

  async #once(translated: Translated): Promise<Gateway> {
    const files = [...translated.hostKeys, ...translated.rootsFiles.map(({ file }) => file)];
    const key = JSON.stringify([translated, files.map((file) => readFileSync(file, 'utf8'))]);
    const started = this.#started.get(key) ?? this.#start(translated, undefined);
    this.#started.set(key, started);
    return await started;
  }

  async #start({ settings, hostKeys, rootsFiles }: Translated, port: number | undefined): Promise<Gateway> {
    this.#count += 1;
    const folder = join(this.#host.folder, `gateway-${this.#count}`);
    await mkdir(folder);
    const usable = hostKeys.filter((file) => !/dss|sk-/.test(basename(file)));
    const copies = usable.map((file, index) => {
      const copy = join(folder, `key-${index}`);
      writeFileSync(copy, readFileSync(file), { mode: 0o600 });
      return copy;
    });
    // The gateway trusts none that is not root's.
    const trusted = rootsFiles.map(({ name, file }) => {
      writeFileSync(join(folder, name), readFileSync(file), { mode: 0o644 });
      return `${name}=${join(folder, name)}`;
    });
    const gateway = await Gateway.start({
      folder,
      runFolder: this.#host.runFolder,
      client: this.#host.clientInRun,
      settings: [`host_keys=${copies.join(' ')}`, 'methods=publickey', ...settings, ...trusted],
      ...(port === undefined ? {} : { port }),
    });
    return this.#parts.use(gateway);
  }

  /** Like a daemon: a process of the user's stands for it, which tests end. */
  async #serve(translated: Translated): Promise<string> {
    const gateway = await this.#start(translated, translated.port);
    const { uid, gid } = this.#user;
    const ends = new Running('sleep', ['1000'], { uid, gid, stdio: 'ignore' });
    const { pidFile = '/dev/null' } = translated;
    void ends.finished(1_100_000).then(async () => {
      await gateway[Symbol.asyncDispose]();
      await rm(pidFile, { force: true });
    });
    this.#parts.defer(() => void ends.kill('SIGKILL'));
    writeFileSync(pidFile, `${ends.pid}\n`);
    return 'ok';
  }

  /** What the gateways of this test have said. */
  async logs(): Promise<string> {
    const gateways = await Promise.allSettled(this.#started.values());
    return gateways
      .map((one) => (one.status === 'fulfilled' ? one.value.log() : String(one.reason)))
      .join('\n');
  }

  async reset(): Promise<void> {
    await this.#parts.disposeAsync();
    this.#parts = new AsyncDisposableStack();
    this.#started.clear();
    this.missing.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reset();
  }
}

/** Where the tests run, as the user sees it inside and outside. */
async function prepare(source: string, user: TestUser): Promise<string> {
  const folder = join(user.home, 'regress');
  await cp(source, folder, { recursive: true });
  const bin = join(user.home, 'bin');
  await mkdir(bin);
  await cp(join(checkout, 'test/openssh/stand-in.sh'), join(bin, 'sshd'));
  writeFileSync(join(bin, 'offered'), `${algorithms.join('\n')}\n`);
  // Tests try everything that the client has; what the gateway does not offer, it is not to agree on.
  const client = `#!/bin/sh
for word in "$@"; do
  case $query in -Q) /usr/bin/ssh -Q "$word" | grep -xFf ${bin}/offered || /usr/bin/ssh -Q "$word"; exit ;; esac
  query=$word
done
exec /usr/bin/ssh "$@"
`;
  writeFileSync(join(bin, 'ssh'), client);
  for (const name of ['sshd', 'ssh']) await chmod(join(bin, name), 0o755);
  await runOk('chown', ['-R', `${user.uid}:${user.gid}`, folder, bin]);
  return folder;
}

async function listen(path: string, user: TestUser, servers: Servers): Promise<AsyncDisposable> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const heard: Buffer[] = [];
    socket.on('data', (bytes: Buffer) => heard.push(bytes));
    socket.on('end', () => {
      void servers.answer(Buffer.concat(heard).toString()).then(
        (answer) => socket.end(answer),
        (error: unknown) => socket.end(`failed: ${String(error)}`),
      );
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  await chown(path, user.uid, user.gid);
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())) };
}

async function runTest(
  name: string,
  folder: string,
  user: TestUser,
): Promise<{ code: number | null; said: string }> {
  await rm(join(folder, 'failed-regress.log'), { force: true });
  const bin = join(user.home, 'bin');
  const env = {
    ...{
      PATH: `/usr/sbin:/usr/bin:/sbin:/bin`,
      HOME: user.home,
      LOGNAME: user.name,
      USER: user.name,
      TEST_SHELL: 'sh',
    },
    ...{ BUILDDIR: folder, OBJ: folder, TEST_SSH_SSH: join(bin, 'ssh'), TEST_SSH_SSHD: join(bin, 'sshd') },
    ...{ TEST_SSH_SFTPSERVER: '/usr/lib/openssh/sftp-server', TEST_SSH_IPV6: 'yes', TEST_SSH_ECC: 'yes' },
    ...{ TEST_SSH_UNSAFE_PERMISSIONS: '1', TEST_SSH_PORT: '4242' },
  };
  const args = [String(mostSeconds), 'sh', join(folder, 'test-exec.sh'), folder, join(folder, `${name}.sh`)];
  const { uid, gid } = user;
  const result = await run('timeout', ['--kill-after=5', ...args], {
    uid,
    gid,
    env,
    cwd: folder,
    timeoutMs: 300_000,
  });
  return { code: result.code, said: `${result.stdout.toString()}${result.stderr.toString()}` };
}

/** What test-exec.sh has noted of this test. */
function failuresIn(folder: string): string[] {
  const file = join(folder, 'failed-regress.log');
  const lines = existsSync(file) ? readFileSync(file, 'latin1').split('\n') : [];
  return lines.filter((line) => /^(FAIL|FATAL): /.test(line)).slice(-25);
}

async function keepLogs(folder: string, to: string, servers: Servers): Promise<void> {
  const filter = (file: string): boolean => file === folder || file.endsWith('.log');
  await cp(folder, to, { recursive: true, filter });
  writeFileSync(join(to, 'gateway.log'), await servers.logs());
}

async function main(): Promise<void> {
  const [source = '', ...chosen] = process.argv.slice(2);
  await using parts = new AsyncDisposableStack();
  const users = parts.use(new AsyncDisposableStack());
  const defaults = {
    image: 'host',
    linger: '1h',
    network: 'host',
    home: 'host',
    pass_env: '_XXX_TEST _XXX_TEST_*',
  };
  const host = parts.use(await Host.start({ outsideTmp: true, policy: { defaults } }));
  const user = users.use(await TestUser.create({ shell: '/bin/bash' }));
  host.uids.push(user.uid);
  const folder = await prepare(source, user);
  const servers = parts.use(new Servers(host, user));
  parts.use(await listen(join(user.home, 'bin/broker.sock'), user, servers));
  let failed = 0;
  for (const name of chosen.length > 0 ? chosen : serverTests) {
    const { code, said } = await runTest(name, folder, user);
    const missing = [...servers.missing];
    const skipped = /SKIPPED: .*/.exec(said)?.[0] ?? '';
    const result = missing.length > 0 ? 'no counterpart' : code !== 0 ? 'failed' : skipped ? 'skipped' : 'ok';
    failed += result === 'failed' ? 1 : 0;
    process.stdout.write(`${name}: ${result} (${code}) ${[...missing, skipped].join('; ')}\n`);
    if (result === 'failed' || result === 'no counterpart')
      for (const line of [...said.split('\n').slice(-25), ...failuresIn(folder)])
        process.stdout.write(`    ${line}\n`);
    const kept = process.env['KEEP_LOGS'];
    if (kept !== undefined && result === 'failed') await keepLogs(folder, join(kept, name), servers);
    await servers.reset();
  }
  process.exitCode = failed > 0 ? 1 : 0;
}

await main();
