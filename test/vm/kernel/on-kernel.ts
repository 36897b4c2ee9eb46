// Shared by the tests on a kernel of its own: one machine for all of them, its users, and how the policy is edited
// while their sandboxes run.

import type { PolicySection } from '../../fixtures/policy-text.ts';
import { policyText } from '../../fixtures/policy-text.ts';
import { describeFinished, type Finished, type Running, waitUntil } from '../../fixtures/process.ts';
import type { Machine } from '../machine.ts';

/** Everything takes 30 times as long where the processor is emulated, and twice that beside the other tests. */
export const patience = { timeoutMs: 480_000 };
/** Of one test. */
export const testMs = 600_000;

/** Those with the host's own programs as their image. */
export const users = [
  'ada',
  'bob',
  'cleo',
  'dora',
  ...Array.from({ length: 16 }, (_, index) => `user${index + 10}`),
];
/** With one that has another. Their ids count from 1000. */
export const accounts = [...users, 'pia'];

/** The cgroup of all sandboxes. */
export const sandboxes = '/sys/fs/cgroup/dockersh.slice/dockersh-sandboxes.service';

/** The wanted content of a file of a user's cgroup. */
type Wanted = readonly [user: string, file: string, text: string];

export class OnKernel {
  readonly #machine: () => Machine;

  constructor(machine: () => Machine) {
    this.#machine = machine;
  }

  async root(command: string): Promise<string> {
    return await this.#machine().sshOk('root', command, patience);
  }

  async as(user: string, command: string): Promise<Finished> {
    return await this.#machine().ssh(user, command, patience);
  }

  /** What it prints; it must succeed. */
  async inside(user: string, command: string): Promise<string> {
    const result = await this.as(user, command);
    if (result.code !== 0) throw new Error(`${user}: ${command}: ${describeFinished(result)}`);
    return result.stdout.toString();
  }

  /** Left running on a connection of its own, with which it ends; it has printed `sign`. */
  async start(user: string, command: string, sign: string): Promise<Running> {
    const running = this.#machine().startSsh(user, command);
    await running.waitForOutput(sign, patience.timeoutMs);
    return running;
  }

  /** A user's cgroup. */
  folder(user: string): string {
    return `${sandboxes}/u${1000 + accounts.indexOf(user)}-${user}`;
  }

  /** PID of the first process of a user's sandbox, which runs. */
  async init(user: string): Promise<number> {
    let pid: number | null | undefined;
    // A supervisor that is slow to say it is not waited for.
    const isSaid = async (): Promise<boolean> => {
      const { sandboxes } = JSON.parse(await this.root('dockershctl --json ps')) as {
        sandboxes: { user: string; initPid: number | null }[];
      };
      pid = sandboxes.find((each) => each.user === user)?.initPid;
      return typeof pid === 'number';
    };
    await waitUntil(isSaid, `the first process of ${user}`, patience.timeoutMs);
    return pid ?? 0;
  }

  async file(user: string, name: string): Promise<string> {
    return (await this.root(`cat ${this.folder(user)}/${name}`)).trim();
  }

  async number(user: string, name: string): Promise<number> {
    return Number(await this.file(user, name));
  }

  /** Waits until a number that the kernel brings down as it gets to it is below `limit`. */
  async falls(user: string, name: string, limit: number): Promise<void> {
    const read = `$(cat ${this.folder(user)}/${name})`;
    await this.root(`for i in $(seq 100); do [ ${read} -ge ${limit} ] || exit 0; sleep .1; done
      echo "${name} is ${read}"; exit 1`);
  }

  /** One of many counters in a file, such as "oom_kill 1". */
  async counter(user: string, name: string, what: string): Promise<number> {
    const line = new RegExp(`^${what} (\\d+)$`, 'm').exec(await this.file(user, name));
    return Number(line?.[1]);
  }

  /** Edits the policy, and waits until running sandboxes keep to it. */
  async policy(
    settings: Readonly<Record<string, PolicySection>>,
    ...wanted: readonly Wanted[]
  ): Promise<void> {
    const waits = wanted.map(([user, file, text]) => {
      const path = `${this.folder(user)}/${file}`;
      return `for i in $(seq 100); do [ "$(cat ${path})" != '${text}' ] || break; sleep .1; done
        [ "$(cat ${path})" = '${text}' ] || { echo "${path}: $(cat ${path})"; exit 1; }`;
    });
    await this.root(`cat >/etc/dockersh/conf.d/.new <<'INI'\n${policyText({ users: { ...settings } })}INI
      mv /etc/dockersh/conf.d/.new /etc/dockersh/conf.d/test.ini\n${waits.join('\n')}`);
  }

  /** Nobody else has felt anything. */
  async neighbourIsFine(): Promise<void> {
    const result = await this.as('ada', 'exit 4');
    if (result.code !== 4) throw new Error(`the neighbour: ${describeFinished(result)}`);
  }
}
