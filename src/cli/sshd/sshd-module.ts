// dockershctl sshd-module: has sshd's connections join the sandboxes as a whole, so that forwards, agents and X11, which
// sshd itself opens, are inside.

import type { Command } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { findClient } from '../host/installation.ts';
import { defaultQuestion } from '../host/sshd-settings.ts';
import { install, installedEntries, reloadSshd } from './change.ts';
import { findKeysProgram } from './keys.ts';
import {
  installModule,
  moduleFile,
  namesOf,
  removeModule,
  type ServiceState,
  serviceBeside,
  serviceState,
} from './module.ts';
import { moduleName } from './module-lines.ts';
import { placeOf } from './trial.ts';

interface Options {
  install?: true;
  remove?: true;
  reload: boolean;
  service?: string;
  sshdConfig: string;
  client?: string;
  module?: string;
}

export function addSshdModule(program: Command, console: () => Console): void {
  program
    .command('sshd-module')
    .description("put pam_dockersh.so into sshd's PAM service, take it out, or say whether it is there")
    .option('--install', 'put its two lines there, once')
    .option('--remove', 'take them out')
    .option('--reload', 'have sshd read its configuration again', false)
    .option('--service <file>', "sshd's PAM service (default: /etc/pam.d/sshd)")
    .option('--sshd-config <file>', "sshd's main file", defaultQuestion.config)
    .option('--client <path>', 'the login client, where it is not in the usual place')
    .option('--module <path>', 'pam_dockersh.so, where libpam does not find it by its name')
    .action(async (options: Options) => {
      const cli = console();
      if (options.install && options.remove) throw usage('--install and --remove exclude each other');
      const service = options.service ?? serviceBeside(options.sshdConfig);
      const changed = options.install || options.remove ? await change(cli, service, options) : false;
      if (options.reload) await reloadSshd();
      const state = serviceState(service);
      cli.show({ service, state: state.kind, changed }, () =>
        printableLine(`${service}: ${sentenceOf(state)}`),
      );
    });
}

const printableLine = (text: string): string => `${printable(text)}\n`;

/** Nothing that sshd opens is to be on the host meanwhile: forwards are allowed behind the lines, and refused before them. */
async function change(
  cli: Console,
  service: string,
  { install: adding, sshdConfig, client, module }: Options,
): Promise<boolean> {
  const place = placeOf(sshdConfig);
  const entries = await installedEntries(place);
  const dropIn = async (joined: boolean): Promise<void> => {
    if (entries.length === 0) return;
    const keys = await findKeysProgram(cli);
    await install(place, [], { client: findClient(client), tcpForwarding: false, keys, service, joined });
  };
  if (!adding) {
    await dropIn(false);
    return await removeModule(service);
  }
  requireModule(service, module);
  const names = { ...namesOf(entries), client: findClient(client) };
  const changed = await installModule(service, names, module);
  await dropIn(true);
  return changed;
}

function requireModule(service: string, module: string = moduleName): void {
  const state = serviceState(service);
  const missing =
    state.kind === 'no service' ? service : moduleFile(module) === undefined ? module : undefined;
  if (missing === undefined) return;
  throw new CliFailure({
    code: 'E_NOT_FOUND',
    message: `sshd's PAM service: there is no ${missing}`,
    hint:
      state.kind === 'no service'
        ? 'Install openssh-server, or name the service with --service.'
        : 'Install dockersh again.',
    exitCode: sysexits.noInput,
  });
}

function usage(message: string): CliFailure {
  const hint = 'Run dockershctl sshd-module --help.';
  return new CliFailure({ code: 'E_USAGE', message, hint, exitCode: sysexits.usage });
}

export function sentenceOf(state: ServiceState): string {
  switch (state.kind) {
    case 'there':
      return 'connections join the sandboxes of their users';
    case 'absent':
      return 'connections do not join the sandboxes: pam_dockersh.so is not there';
    case 'wrong':
      return `the lines of pam_dockersh.so are not as they must be: ${state.why}`;
    case 'no module':
      return 'it names a pam_dockersh.so that does not exist, so that nobody can log in by ssh';
    case 'no service':
      return 'there is no such PAM service';
  }
}
