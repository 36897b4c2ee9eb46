// Works out from the login client's arguments what the user's own shell is called with. Arguments pass verbatim; no
// command is ever parsed or judged by its text. Pure.
//
//   -dockersh              sshd, login, su -, sudo -i         login shell
//   dockersh               ForceCommand, su                   login shell, or the original command
//   dockersh ARG …         -c STRING, -l, script and words    the same arguments to the user's shell
//   -dockersh ARG …        su - user -c, sudo -i command      the same, as a login shell
//   dockersh -c PATH       ForceCommand where the account's   as ForceCommand
//                          shell is dockersh too; PATH is dockersh itself
//
// The last line is the one place where an argument is compared with something: sshd runs ForceCommand as
// `SHELL -c COMMAND`, and where both are this program, COMMAND is exactly the path by which it was executed.
// Whichever way that is read, what runs is the same user's, in the same sandbox.

import type { ByteString } from '../lib/wire.ts';
import { variable } from './environment.ts';

export interface Invocation {
  readonly args: readonly ByteString[];
  readonly env: readonly ByteString[];
  readonly execPath: ByteString;
}

/** Whether sshd's ForceCommand has started the program, or nobody has said a command: then what the user wants is in SSH_ORIGINAL_COMMAND. */
function isPlain({ args, execPath }: Invocation): boolean {
  const [, ...rest] = args;
  return (
    rest.length === 0 || (rest.length === 2 && rest[0] === '-c' && rest[1] === execPath && execPath !== '')
  );
}

/** Whether a command runs that the user's key has (command= in authorized_keys), which may look at SSH_ORIGINAL_COMMAND. */
export const hasOwnCommand = (invocation: Invocation): boolean => !isPlain(invocation);

/** argv for the user's shell. argv[0] is "-" for a login shell and "" otherwise: its name is added inside. */
export function shellArguments({ args, env, execPath }: Invocation): ByteString[] {
  const [name = '', ...rest] = args;
  const login = name.startsWith('-');
  if (!isPlain({ args, env, execPath })) return [login ? '-' : '', ...rest];
  const original = login ? undefined : variable(env, 'SSH_ORIGINAL_COMMAND');
  return original === undefined ? ['-'] : ['', '-c', original];
}
