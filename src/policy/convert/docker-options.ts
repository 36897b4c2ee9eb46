// The options of "docker run": how they are written, and why some of them have no key. Pure.

/** A word of the old configuration's command line. */
export interface OptionWord {
  readonly word: string;
  readonly line: number;
}

const otherNames: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '-a': '--attach',
    '-c': '--cpu-shares',
    '-d': '--detach',
    '-e': '--env',
    '-h': '--hostname',
    '-i': '--interactive',
    '-l': '--label',
    '-m': '--memory',
    '-P': '--publish-all',
    '-p': '--publish',
    '-q': '--quiet',
    '-t': '--tty',
    '-u': '--user',
    '-v': '--volume',
    '-w': '--workdir',
    '--cpuset': '--cpuset-cpus',
    '--net': '--network',
  }),
);

/** Those that no value follows. */
const switches = new Set(
  `--detach --disable-content-trust --init --interactive --no-healthcheck --oom-kill-disable --privileged
  --publish-all --quiet --read-only --rm --sig-proxy --tty --use-api-socket`.split(/\s+/),
);

const ownNamespaces = 'every sandbox has namespaces of its own';
const noAddresses = 'addresses come from a pool ("network_pool")';
const asHost = 'names are searched for as on the host';
const noCaps = 'users have no capabilities, but for what "root" and "nesting" give inside';
const noMore = 'a sandbox belongs to its user and lasts as long as "linger" says';

const reasons: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '--memory-reservation': '"memory_high" is the nearest: from there on a sandbox is slowed down',
    '--memory-swappiness': '"swap" says how much of it there is',
    '--kernel-memory': 'what the kernel keeps for a sandbox counts towards "memory"',
    '--oom-kill-disable': 'a sandbox that needs more than "memory" loses processes; "oom_kills" says which',
    '--oom-score-adj': '"oom_kills" says what is ended',
    '--blkio-weight': 'the disk has limits ("io_read" and the like), and no shares',
    '--blkio-weight-device': 'the disk has limits ("io_read" and the like), and no shares',
    '--cpuset-mems': '"cpuset" is about CPUs alone',
    '--read-only': 'users change only a layer of their own, never the image',
    '--user': 'users are themselves inside; "image_user" says whether the User of the image counts',
    '--group-add': 'users have their groups of the user database',
    '--workdir': 'logins start at home',
    '--entrypoint': noMore,
    '--privileged': 'nobody gets that; see "root", "nesting" and "devices"',
    '--cap-add': noCaps,
    '--cap-drop': noCaps,
    '--security-opt': 'every sandbox has no_new_privs, but for "root", and a filter: "seccomp" names another',
    '--gpus': 'name them in "devices", and what their programs need in "mounts"',
    '--device-cgroup-rule': '"devices" names devices by their paths',
    '--env-file': 'write its variables as env.NAME = value',
    '--volumes-from': '"mounts" shows folders of the host, by their paths',
    '--domainname': 'write it into "hostname"',
    '--sysctl': 'no key sets it',
    '--publish-all': 'name the ports in "publish"',
    '--expose': 'sandboxes reach each other in networks that both are in ("networks"), at every port',
    '--link': 'sandboxes reach each other by name in networks that both are in ("networks")',
    '--network-alias':
      'in a network that two sandboxes are in ("networks"), they know each other by the names of their users',
    '--dns-search': asHost,
    '--dns-option': asHost,
    '--add-host': 'users can write /etc/hosts of their own where they are root ("root")',
    '--ip': noAddresses,
    '--ip6': noAddresses,
    '--mac-address': noAddresses,
    '--ipc': ownNamespaces,
    '--pid': ownNamespaces,
    '--uts': ownNamespaces,
    '--userns': ownNamespaces,
    '--cgroupns': ownNamespaces,
    '--cgroup-parent': 'sandboxes have a folder of their own (dockershd --cgroup)',
    '--init': 'every sandbox has an init',
    '--name': noMore,
    '--rm': noMore,
    '--restart': noMore,
    '--detach': noMore,
    '--interactive': noMore,
    '--tty': noMore,
  }),
);

export const whyNoKey = (option: string): string => reasons.get(option) ?? 'it has no equivalent';

export interface Option {
  /** Its long name; a word that is no option stands for itself. */
  readonly option: string;
  /** Empty: there is none. */
  readonly value: string;
  readonly line: number;
}

/**
 * The words as options: "--memory=1g", "-m 1g" and "-m1g" are the same. What is not known to take a value takes the
 * next word that is no option.
 */
export function* optionsOf(
  words: readonly OptionWord[],
  takesValue: (option: string) => boolean,
): Generator<Option> {
  for (let at = 0; at < words.length; at += 1) {
    const { word = '', line = 0 } = words[at] ?? {};
    const [, long, , joined] = /^(--[\w-]+)(=(.*))?$/s.exec(word) ?? [];
    const [, short, , attached] = /^(-\w)(=?(.+))?$/s.exec(word) ?? [];
    const written = long ?? short;
    const option = otherNames.get(written ?? '') ?? written ?? word;
    const value = joined ?? attached;
    const next = words[at + 1]?.word;
    const isNext =
      value === undefined &&
      next !== undefined &&
      (takesValue(option) || (written !== undefined && !switches.has(option) && !next.startsWith('-')));
    yield { option, value: (isNext ? next : value) ?? '', line };
    if (isNext) at += 1;
  }
}
