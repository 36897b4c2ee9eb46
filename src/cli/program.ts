// Puts the commands of dockershctl together, with what they share: global options, failures, exit status.

import { Command, CommanderError } from 'commander';
import { sysexits } from '../lib/errors.ts';
import { addUser } from './accounts/user.ts';
import { addAudit } from './audit/audit.ts';
import { addUsage } from './audit/usage.ts';
import { type CliEnvironment, Console, defaultSocket, type GlobalOptions } from './console.ts';
import { addDoctor } from './doctor/doctor.ts';
import { toCliFailure } from './failure.ts';
import { addGateway } from './gateway/gateway.ts';
import { addImage } from './image/image.ts';
import { addCommit } from './layer/commit.ts';
import { addDiff } from './layer/diff.ts';
import { addReset, addRollback } from './layer/rollback.ts';
import { addSnapshot } from './layer/snapshot.ts';
import { addUpgrade } from './layer/upgrade.ts';
import { addNetwork } from './network/network.ts';
import { addCancel, addOperations } from './operations.ts';
import { addPolicyCheck } from './policy/check.ts';
import { addPolicyConvert } from './policy/convert.ts';
import { addPolicyDiff } from './policy/diff.ts';
import { addPolicyExplain } from './policy/explain.ts';
import { addMaintenance } from './policy/maintenance.ts';
import { addPolicySchema } from './policy/schema.ts';
import { addRecordings } from './recordings/recordings.ts';
import { addExec } from './sandbox/exec.ts';
import { addLogins } from './sandbox/logins.ts';
import { addMessage } from './sandbox/message.ts';
import { addPs } from './sandbox/ps.ts';
import { addStats, addTop } from './sandbox/stats.ts';
import { addStop } from './sandbox/stop.ts';
import { addWatch } from './sandbox/watch.ts';
import { addSshdConfig } from './sshd/sshd-config.ts';
import { addSshdModule } from './sshd/sshd-module.ts';
import { addVersion } from './version.ts';

/** Runs one command line (without the program's name); returns the exit status, never throws. */
export async function runCli(
  args: readonly string[],
  environment: CliEnvironment,
  version: string,
): Promise<number> {
  let status = 0;
  const program = buildProgram(environment, version, (value) => {
    status = value;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    // Commander has printed its message, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : sysexits.usage;
    const failure = toCliFailure(error);
    new Console(environment, program.opts<GlobalOptions>()).fail(failure);
    return failure.exitCode;
  }
}

/** Every command with its options; the man page and the shells' completions are made from it as well. */
export function buildProgram(
  environment: CliEnvironment,
  version: string,
  setStatus: (status: number) => void,
): Command {
  const program = new Command('dockershctl')
    .description("look after the sandboxes of this host's users")
    .option('--json', 'print JSON', false)
    .option('--socket <path>', "the daemon's admin socket", defaultSocket)
    .version(version)
    .showHelpAfterError('(dockershctl --help shows the usage)')
    .configureOutput({
      writeOut: (text) => void environment.stdout.write(text),
      writeErr: (text) => void environment.stderr.write(text),
    })
    .exitOverride();
  const console = (): Console => new Console(environment, program.opts<GlobalOptions>());

  addPs(program, console);
  addStats(program, console);
  addTop(program, console);
  addStop(program, console, setStatus);
  addMessage(program, console);
  addExec(program, console, setStatus);
  addWatch(program, console, setStatus);
  addImage(program, console, setStatus);
  addDiff(program, console);
  addCommit(program, console);
  addSnapshot(program, console);
  addRollback(program, console);
  addReset(program, console);
  addUpgrade(program, console, setStatus);
  addOperations(program, console);
  addCancel(program, console);
  addNetwork(program, console);
  const policy = program.command('policy').description('check, explain and compare the policy');
  addPolicyCheck(policy, console, setStatus);
  addPolicyExplain(policy, console);
  addPolicyDiff(policy, console);
  addPolicySchema(policy, console);
  addPolicyConvert(policy, console);
  addDoctor(program, console, setStatus);
  addUser(program, console);
  addMaintenance(program, console);
  addSshdConfig(program, console);
  addSshdModule(program, console);
  addLogins(program, console);
  addAudit(program, console);
  addUsage(program, console);
  addRecordings(program, console);
  addGateway(program, console, setStatus);
  addVersion(program, console, version);
  return program;
}
