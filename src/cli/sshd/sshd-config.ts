// dockershctl sshd-config: sends users and groups to their sandboxes by sshd's ForceCommand, where the login shell
// can't be changed because a directory has it.

import { type Command, Option } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { findClient } from '../host/installation.ts';
import { defaultQuestion } from '../host/sshd-settings.ts';
import { type Changed, install, installedEntries, reloadSshd, remove } from './change.ts';
import { dropInText, type Entry, type KeysSource, merged, requireWritable } from './drop-in.ts';
import { findKeysProgram, withKeys } from './keys.ts';
import { serviceBeside, serviceState } from './module.ts';
import { placeOf } from './trial.ts';

interface Options {
  user: string[];
  group: string[];
  install?: true;
  remove?: true;
  reload: boolean;
  allowTcpForwarding: boolean;
  keys?: KeysSource;
  sshdConfig: string;
  service?: string;
  client?: string;
}

const collect = (value: string, before: string[]): string[] => [...before, value];

export function addSshdConfig(program: Command, console: () => Console): void {
  program
    .command('sshd-config')
    .description("print, install or remove sshd's configuration for sandboxed users and groups")
    .option('--user <name>', 'a user; may be repeated', collect, [])
    .option('--group <name>', 'a group; may be repeated', collect, [])
    .option('--install', 'add them to our file in sshd_config.d, when sshd accepts it')
    .option('--remove', 'take them out of it, or all when none is named')
    .option('--reload', 'have sshd read its configuration again', false)
    .option('--allow-tcp-forwarding', 'leave TCP forwarding as it is', false)
    .addOption(
      new Option(
        '--keys <whose>',
        "keys that let them in (default: as the policy's authorized_keys says)",
      ).choices(['host', 'inside', 'both']),
    )
    .option('--sshd-config <file>', "sshd's main file", defaultQuestion.config)
    .option('--service <file>', "sshd's PAM service (dockershctl sshd-module) (default: /etc/pam.d/sshd)")
    .option('--client <path>', 'the login client, where it is not in the usual place')
    .addHelpText(
      'after',
      '\nWithout --install and --remove the file is printed as it would be, and nothing is changed.',
    )
    .action(async (options: Options) => {
      const cli = console();
      const place = placeOf(options.sshdConfig);
      const { keys } = options;
      const asked = entriesIn(options);
      const wanted = options.remove === undefined && asked.length > 0;
      const entries =
        keys === undefined && wanted
          ? await withKeys(cli, asked)
          : asked.map((entry) => ({ ...entry, ...(keys === undefined ? {} : { keys }) }));
      const { service = serviceBeside(place.config), allowTcpForwarding: tcpForwarding } = options;
      const settings = {
        client: clientIn(options),
        tcpForwarding,
        keys: await findKeysProgram(cli),
        service,
      };
      if (options.install === undefined && options.remove === undefined) {
        const all = merged(await installedEntries(place), entries);
        const text = dropInText(all, { ...settings, joined: serviceState(service).kind === 'there' });
        cli.show({ file: place.dropIn, entries: all, text }, () => printableLines(text));
        return;
      }
      const result = await (options.install ? install : remove)(place, entries, settings);
      if (options.reload) await reloadSshd();
      cli.show({ file: place.dropIn, ...result, reloaded: options.reload }, () =>
        report(place.dropIn, result, options),
      );
    });
}

function entriesIn({ user, group, install: adding, remove: removing }: Options): Entry[] {
  const entries: Entry[] = [
    ...user.map((name) => ({ kind: 'user', name }) as const),
    ...group.map((name) => ({ kind: 'group', name }) as const),
  ];
  for (const entry of entries) requireWritable(entry);
  if (adding && removing) throw usage('--install and --remove exclude each other');
  if (adding && entries.length === 0) throw usage('--install needs a --user or a --group');
  if (entries.some(({ kind, name }) => kind === 'user' && name === 'root')) {
    throw usage('root never gets a sandbox');
  }
  return entries;
}

function usage(message: string): CliFailure {
  const hint = 'Run dockershctl sshd-config --help.';
  return new CliFailure({ code: 'E_USAGE', message, hint, exitCode: sysexits.usage });
}

/** sshd gives ForceCommand to a shell as it stands, so that the path must not need any quoting. */
function clientIn(options: Options): string {
  const client = findClient(options.client);
  if (/^[A-Za-z0-9_/.+-]+$/.test(client)) return client;
  throw usage(`the path of the login client has characters that a shell would read: ${client}`);
}

const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

function report(file: string, { entries, changed, notes }: Changed, { reload }: Options): string {
  const names = entries.map(({ kind, name }) => `${kind} ${name}`).join(', ');
  const lines = [
    changed ? `${file}: ${names === '' ? 'removed' : names}` : `${file} was so already`,
    ...notes.map((note) => `not verified: ${note}`),
    ...(changed && !reload ? ['sshd goes by it when it has read it: systemctl reload ssh'] : []),
  ];
  return lines.map((line) => `${printable(line)}\n`).join('');
}
