// dockershd: the service behind every login. Runs as root, in the foreground, restartable at any time: running
// sessions do not notice. Starts the parts (serve.ts) and takes them apart again; decides nothing itself.

import path from 'node:path';
import { loadAddon } from '../isolation/socket/seqpacket.ts';
import { sendDatagram } from '../isolation/socket/service-socket.ts';
import { hasErrno, toAdminMessage, toDockershError } from '../lib/errors.ts';
import { createLogger, type Logger, loggerTo } from '../lib/log.ts';
import { version } from '../lib/version.ts';
import { describeFault } from '../policy/fault.ts';
import { checkInstallation } from './installation.ts';
import { journalIsOurs, journalStream } from './journal.ts';
import { refuseWaiting } from './login/refuse-waiting.ts';
import { withdraw } from './networks.ts';
import { type DaemonOptions, parseOptions } from './options.ts';
import type { PolicyStore } from './policy/policy-store.ts';
import { type Running, serve } from './serve.ts';
import {
  inheritSockets,
  type ServiceEnvironment,
  ServiceManager,
  takeServiceEnvironment,
} from './service-manager.ts';

async function start(options: DaemonOptions, service: ServiceEnvironment, log: Logger): Promise<Running> {
  await checkInstallation(options);
  loadAddon(path.join(options.libexec, 'addon.node'));
  const inherited = inheritSockets(service, options.run);
  try {
    return await serve(options, inherited, log);
  } catch (error) {
    const login = inherited.get('login');
    log.fatal({ err: error }, 'dockershd cannot start');
    if (login !== undefined) await refuseWaiting(login, options.libexec, log);
    throw error;
  }
}

function statusOf({ fault }: PolicyStore): string {
  if (fault === undefined) return 'Accepting logins';
  return `Attention: ${describeFault(fault)} (dockershctl policy check)`;
}

function openLog(options: DaemonOptions): Logger {
  if (options.logFile === undefined && journalIsOurs())
    return loggerTo(journalStream(sendDatagram), options.logLevel);
  return createLogger({
    level: options.logLevel,
    ...(options.logFile === undefined ? {} : { file: options.logFile }),
  });
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv);
  const service = takeServiceEnvironment(process.env, process.pid);
  const log = openLog(options);
  process.umask(0o022);
  if (options.withdraw) {
    await withdraw(options, log);
    return;
  }
  const stopping = Promise.withResolvers<string>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.resolve(signal));
  process.on('SIGHUP', () => {}); // the policy is read again by itself
  const running = await start(options, service, log);
  using manager = new ServiceManager(service, log);
  log.info(
    { version, node: process.version, run: options.run, cgroup: running.cgroups.mode },
    `dockershd ${version} is ready`,
  );
  manager.ready(statusOf(running.policy));
  running.policy.whenFaultChanges(() => manager.status(statusOf(running.policy)));
  const signal = await stopping.promise;
  manager.stopping();
  log.info({ signal }, `dockershd ends: ${signal}`);
  if (options.stopSandboxesOnExit) {
    await running.engine.stopAll();
    await running.networks.withdraw();
  }
  await running.parts.disposeAsync();
  if (options.stopSandboxesOnExit) await running.cgroups.remove();
  log.info('dockershd has ended; sandboxes run on');
}

try {
  await main();
  process.exit(0);
} catch (error) {
  // Commander has answered --help and bad options itself.
  process.stderr.write(toAdminMessage(error, 'dockershd'));
  process.exit(hasErrno(error, 'EACCES') ? 77 : toDockershError(error).exitCode);
}
