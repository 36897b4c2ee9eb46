// Converts options of "docker run" from the configuration of the dockersh of 2014, one by one: into a key of the
// policy, or the reason why there is none. Pure.

import { formatSize } from '../../lib/text/units.ts';
import { type OptionWord, optionsOf, whyNoKey } from './docker-options.ts';
import { dns, network, publish } from './network-options.ts';

export type Note = (line: number, message: string) => void;

/** A key and its value. */
type Line = readonly [key: string, value: string];

interface Given {
  readonly value: string;
  /** The same option's value in this section; undefined: it is not there. */
  readonly other: (option: string) => string | undefined;
  readonly note: (message: string) => void;
}

/** undefined: the value is none that Docker would take either. */
type Rule = (given: Given) => readonly Line[] | undefined;

const sizeFactors: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** "512m", "1.5GB", "1073741824": bytes; "-1": Infinity. */
function bytesOf(text: string): number | undefined {
  if (text === '-1') return Number.POSITIVE_INFINITY;
  const [, number, unit = ''] = /^(\d{1,15}(?:\.\d{1,9})?)([kmgtp]?)(?:i?b)?$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(number) * 1024 ** (sizeFactors[unit.toLowerCase()] ?? 0));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

const sizeOrNone = (bytes: number): string => (Number.isFinite(bytes) ? formatSize(bytes) : 'none');

/** Where Docker means "no limit" by 0 or -1. */
const limitOf = (bytes: number): string => (bytes === 0 ? 'none' : sizeOrNone(bytes));

const sizeKey =
  (key: string): Rule =>
  ({ value }) => {
    const bytes = bytesOf(value);
    return bytes === undefined ? undefined : [[key, limitOf(bytes)]];
  };

const numberOf = (text: string): number | undefined =>
  /^-?\d{1,12}(?:\.\d{1,9})?$/.test(text) ? Number(text) : undefined;

/** Two decimal places: cgroups count no smaller parts of a CPU than the policy takes. */
const cpusOf = (cpus: number): string =>
  cpus > 0 ? String(Math.max(0.01, Number(cpus.toFixed(2)))) : 'none';

/** Docker counts swap and memory together. */
function swap({ value, other, note }: Given): readonly Line[] | undefined {
  const total = bytesOf(value);
  if (total === undefined) return undefined;
  if (total === 0) return [];
  if (total === Number.POSITIVE_INFINITY) return [['swap', 'none']];
  const memory = bytesOf(other('--memory') ?? '');
  if (memory === total) return [['swap', '0']];
  if (memory !== undefined && memory > 0 && memory < total) return [['swap', formatSize(total - memory)]];
  note('left out; it is the sum of memory and swap, and --memory is not there or is more');
  return [];
}

/** NAME=SOFT:HARD */
const ulimits: ReadonlyMap<string, (limit: number) => Line> = new Map(
  Object.entries({
    nofile: (limit) => ['open_files', limit < 0 ? 'none' : String(limit)],
    fsize: (limit) => ['file_size', limit < 0 ? 'none' : formatSize(limit)],
    memlock: (limit) => ['locked_memory', limit < 0 ? 'none' : formatSize(limit)],
    stack: (limit) => ['stack_size', limit < 0 ? 'none' : formatSize(limit)],
    cpu: (limit) => ['process_time', limit < 0 ? 'none' : `${limit}s`],
  } satisfies Record<string, (limit: number) => Line>),
);

function ulimit({ value, note }: Given): readonly Line[] | undefined {
  const [, name = '', soft = '', hard = soft] = /^(\w+)=(-1|\d{1,15})(?::(-1|\d{1,15}))?$/.exec(value) ?? [];
  if (name === '') return undefined;
  const key = ulimits.get(name);
  if (key === undefined) {
    const instead = name === 'nproc' ? '"pids" bounds the processes of a sandbox' : 'no key sets it';
    note(`left out; ${instead}`);
    return [];
  }
  if (soft !== hard) note(`${hard} counts; there is one limit, which a process can lower`);
  return [key(Number(hard))];
}

/** SOURCE:TARGET:MODES */
function volume({ value, note }: Given): readonly Line[] | undefined {
  const [source = '', target, mode = 'rw'] = value.split(':');
  if (source.startsWith('/') && target !== undefined)
    return [['mounts', `${source}:${target}:${mode.split(',').includes('ro') ? 'ro' : 'rw'}`]];
  note('left out; "mounts" shows folders of the host, by their paths');
  return [];
}

/** type=bind,source=…,target=… */
function mount(given: Given): readonly Line[] | undefined {
  const fields = new Map(
    given.value.split(',').map((field): Line => {
      const [name = '', ...rest] = field.split('=');
      return [name, rest.join('=')];
    }),
  );
  const field = (...names: string[]): string =>
    names.map((name) => fields.get(name)).find((text) => text !== undefined) ?? '';
  const [source, target] = [field('source', 'src'), field('target', 'destination', 'dst')];
  const readOnly = ['readonly', 'ro'].some((name) => fields.has(name) && field(name) !== 'false');
  const size = field('tmpfs-size');
  if (fields.get('type') === 'tmpfs') return tmpfs({ ...given, value: `${target}:size=${size || 0}` });
  return volume({ ...given, value: `${source}:${target}:${readOnly ? 'ro' : 'rw'}` });
}

/** TARGET:OPTIONS */
function tmpfs({ value, note }: Given): readonly Line[] | undefined {
  const [target, options = ''] = value.split(':');
  const key = target === '/tmp' ? 'tmp_size' : target === '/dev/shm' ? 'shm_size' : undefined;
  if (key === undefined) {
    note('left out; /tmp and /dev/shm are in memory, and nothing else can be');
    return [];
  }
  const bytes = bytesOf(/(?:^|,)size=([^,]*)/.exec(options)?.[1] ?? '0');
  return bytes === undefined ? undefined : [[key, limitOf(bytes)]];
}

/** DEVICE:INSIDE:rwm */
function device({ value, note }: Given): readonly Line[] | undefined {
  const [source = '', second = source, third] = value.split(':');
  // The second part may be the last one: what may be done to it.
  const [target, may] =
    third === undefined && /^[rwm]+$/.test(second) ? [source, second] : [second, third ?? 'rwm'];
  if (!/^[rwm]+$/.test(may)) return undefined;
  const problem =
    target === source ? undefined : `inside it has the name that it has on the host, not ${target}`;
  const mode = may.includes('w') ? '' : ':r';
  if (problem === undefined && (mode === '' || may.includes('r'))) return [['devices', `${source}${mode}`]];
  note(`left out; ${problem ?? 'a device can be read, or read and written'}`);
  return [];
}

/** DEVICE:RATE */
const rate =
  (key: string): Rule =>
  ({ value, note }) => {
    const [, disk = '', text = ''] = /^(\/[^:]*):(.*)$/.exec(value) ?? [];
    const operations = key.endsWith('_ops');
    const amount = operations ? numberOf(text) : bytesOf(text);
    if (disk === '' || amount === undefined || !Number.isFinite(amount)) return undefined;
    note(`"${key}" is about the disk that holds what users write, whether or not that is ${disk}`);
    return [[key, operations ? String(amount) : formatSize(amount)]];
  };

function variable({ value, note }: Given): readonly Line[] | undefined {
  const [, name = '', text = ''] = /^([A-Za-z_]\w*)=(.*)$/.exec(value) ?? [];
  if (name === '') {
    note('left out; a variable needs its value, as env.NAME = value');
    return [];
  }
  if (/%[uh]/.test(text)) note(`env.${name}: nothing is expanded in a variable's value`);
  return [[`env.${name}`, /^[\w./:@,+%=-]+$/.test(text) ? text : JSON.stringify(text)]];
}

/** Those that have a key, or something like one. */
const rules: ReadonlyMap<string, Rule> = new Map(
  Object.entries({
    '--memory': sizeKey('memory'),
    '--memory-swap': swap,
    '--shm-size': sizeKey('shm_size'),
    '--cpus': ({ value }) => {
      const cpus = numberOf(value);
      return cpus === undefined ? undefined : [['cpus', cpusOf(cpus)]];
    },
    '--cpu-quota': ({ value, other }) => {
      const [quota, period] = [numberOf(value), numberOf(other('--cpu-period') ?? '100000')];
      return quota === undefined || period === undefined || period <= 0
        ? undefined
        : [['cpus', cpusOf(quota / period)]];
    },
    '--cpu-period': ({ other, note }) => {
      if (other('--cpu-quota') === undefined) note('left out; without --cpu-quota it says nothing');
      return [];
    },
    '--cpu-shares': ({ value }) => {
      const shares = numberOf(value);
      if (shares === undefined || shares < 0) return undefined;
      const weight = shares === 0 ? 100 : Math.round((shares / 1024) * 100);
      return [['cpu_weight', String(Math.min(10_000, Math.max(1, weight)))]];
    },
    '--cpuset-cpus': ({ value }) => [['cpuset', value]],
    '--pids-limit': ({ value }) => {
      const pids = numberOf(value);
      return pids === undefined ? undefined : [['pids', pids <= 0 ? 'none' : String(pids)]];
    },
    '--ulimit': ulimit,
    '--hostname': ({ value }) => [['hostname', value]],
    '--volume': volume,
    '--mount': mount,
    '--tmpfs': tmpfs,
    '--device': device,
    '--device-read-bps': rate('io_read'),
    '--device-write-bps': rate('io_write'),
    '--device-read-iops': rate('io_read_ops'),
    '--device-write-iops': rate('io_write_ops'),
    '--env': variable,
    '--network': network,
    '--publish': publish,
    '--dns': dns,
    '--storage-opt': ({ value, note }) => {
      const bytes = bytesOf(/^size=(.*)$/.exec(value)?.[1] ?? '');
      if (bytes !== undefined) {
        note('"disk" counts the private home as well');
        return [['disk', limitOf(bytes)]];
      }
      note('left out; of the storage, "disk" and "inodes" can be said');
      return [];
    },
    '--stop-timeout': ({ value }) => (/^\d{1,6}$/.test(value) ? [['stop_grace', `${value}s`]] : undefined),
  } satisfies Record<string, Rule>),
);

/** Lines of a section. Of an option that is there twice the later one counts; lists are one line. */
export function convertOptions(words: readonly OptionWord[], note: Note): string[] {
  const options = [...optionsOf(words, (option) => rules.has(option))];
  const lines: Line[] = [];
  for (const { option, value, line } of options) {
    const shown = value === '' ? option : `${option} ${value}`;
    const tell = (message: string): void => note(line, `dockeropt ${shown}: ${message}`);
    const other = (wanted: string) => options.findLast((one) => one.option === wanted)?.value;
    const rule = rules.get(option);
    const converted = rule?.({ value, other, note: tell });
    if (converted !== undefined) lines.push(...converted);
    else if (rule !== undefined) tell('left out; its value is not understood');
    else tell(`left out; ${whyNoKey(option)}`);
  }
  return asLines(lines);
}

const lists = ['mounts', 'devices', 'publish', 'dns'];

function asLines(lines: readonly Line[]): string[] {
  const values = new Map<string, string[]>();
  for (const [key, value] of lines)
    values.set(key, [...(lists.includes(key) ? (values.get(key) ?? []) : []), value]);
  return [...values].map(([key, all]) => `${key} = ${[...new Set(all)].join(' ')}`);
}
