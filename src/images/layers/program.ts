// Starts dockersh-layer, which turns archives into folders and back (native/layer). Never on the path of a
// warm login. The program gets no environment; its words on stderr become the reason of a DockershError.

import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { type ChildOutcome, outcomeOf } from '../../lib/child-outcome.ts';
import type { DockershError } from '../../lib/errors.ts';
import { type Failure, failureOf, nativeError } from '../../lib/failures.ts';
import { fdFolderOf, pathOfFd } from '../../lib/fds/fd-folder.ts';

/** Limits of one archive; absent ones are the program's own defaults (native/layer/archive_limits.h). */
export interface ArchiveLimits {
  /** Files, folders and links. */
  readonly maxEntries?: number | undefined;
  /** Of the uncompressed archive. */
  readonly maxBytes?: number | undefined;
  /** Folders above a file. */
  readonly maxDepth?: number | undefined;
  /** Bytes of a path. */
  readonly maxPath?: number | undefined;
}

export interface LayerProgram {
  /** Absolute path of dockersh-layer. */
  readonly path: string;
  readonly limits: ArchiveLimits;
}

/** A running dockersh-layer. `ended` settles when it has; nothing need be awaited before. */
export interface LayerProcess<Child extends ChildProcess> {
  readonly child: Child;
  readonly ended: Promise<ChildOutcome>;
}

const maxOutput = 16 * 1024;

const optionNames = {
  maxEntries: '--max-entries',
  maxBytes: '--max-bytes',
  maxDepth: '--max-depth',
  maxPath: '--max-path',
} as const satisfies Record<keyof ArchiveLimits, string>;

function limitArgs(limits: ArchiveLimits): string[] {
  return Object.entries(optionNames).flatMap(([key, option]) => {
    const value = limits[key as keyof ArchiveLimits];
    return value === undefined ? [] : [option, String(value)];
  });
}

export function follow<Child extends ChildProcess>(child: Child, readStdout: boolean): LayerProcess<Child> {
  const ended = outcomeOf(child, { maxBytes: maxOutput, stdout: readStdout });
  // Whoever starts the program awaits this later; a failure to start must not count as unhandled till then.
  ended.catch(() => undefined);
  return { child, ended };
}

export interface UnpackOptions {
  readonly signal: AbortSignal | undefined;
  /** The archive may stop without the mark of its end, because a digest says whether it is whole. */
  readonly mayStop: boolean;
  /** What the archive's ids are on the host; all others are refused. Without, they are on the disk what they are. */
  readonly ids?: IdMapping | undefined;
}

export function startUnpack(
  program: LayerProgram,
  folder: string,
  { signal, mayStop, ids }: UnpackOptions,
): LayerProcess<ChildProcessByStdio<Writable, Readable, Readable>> {
  const end = mayStop ? ['--open-end', 'yes'] : [];
  const args = ['unpack', ...limitArgs(program.limits), ...end, ...idMapArgs(ids), folder];
  const child = spawn(program.path, args, {
    env: {},
    stdio: ['pipe', 'pipe', 'pipe'],
    killSignal: 'SIGKILL',
    ...(signal === undefined ? {} : { signal }),
  });
  return follow(child, true);
}

/** What 0–65535 of an image are on the host, in the form of uid_map (user_namespaces(7)). */
export interface IdMapping {
  readonly uidMap: string;
  readonly gidMap: string;
}

export interface PackOptions {
  /** The folder is a layer in overlay's form: whiteouts and opaque folders become the archive's. */
  readonly overlay?: boolean;
  /** No archive, but what two trees are told apart by, without the time that large holes take. */
  readonly skipZeros?: boolean;
  /** The tree is one part of an archive that others write on, in a folder of this name; files keep their holes. */
  readonly part?: string | undefined;
  /** Ids on disk are the host's: turn them back. */
  readonly ids?: IdMapping | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Argument of --uid-map and --gid-map: the lines of the map, joined by commas. */
export function idMapArgs(ids: IdMapping | undefined): string[] {
  if (ids === undefined) return [];
  const argument = (map: string): string => map.trim().replaceAll('\n', ',');
  return ['--uid-map', argument(ids.uidMap), '--gid-map', argument(ids.gidMap)];
}

interface Pipes {
  readonly stdin?: 'pipe' | undefined;
  readonly stdout: 'pipe' | 'ignore';
}

/** Starts the program. The descriptor of a folder that has no other name is passed on, and its path says by which number. */
function start(
  program: LayerProgram,
  args: readonly string[],
  { stdin, stdout }: Pipes,
  signal?: AbortSignal,
): ChildProcess {
  const first = 3;
  const places = args.map(fdFolderOf);
  const fds = [...new Set(places.flatMap((place) => place?.fd ?? []))];
  const seen = args.map((arg, index) => {
    const place = places[index];
    return place === undefined ? arg : `${pathOfFd(first + fds.indexOf(place.fd))}${place.rest}`;
  });
  return spawn(program.path, seen, {
    env: {},
    stdio: [stdin ?? 'ignore', stdout, 'pipe', ...fds.map((fd) => fd.borrow())],
    killSignal: 'SIGKILL',
    ...(signal === undefined ? {} : { signal }),
  });
}

type Readers = ChildProcessByStdio<null, Readable, Readable>;

export function startPack(
  program: LayerProgram,
  folder: string,
  options: PackOptions,
): LayerProcess<Readers> {
  const overlay = options.overlay === true ? ['--overlay', 'yes'] : [];
  const zeros = options.skipZeros === true ? ['--skip-zeros', 'yes'] : [];
  const args = [
    'pack',
    ...limitArgs(program.limits),
    ...overlay,
    ...zeros,
    ...(options.part === undefined ? [] : ['--part', options.part]),
    ...idMapArgs(options.ids),
    folder,
  ];
  return follow(start(program, args, { stdout: 'pipe' }, options.signal) as Readers, false);
}

/** Any job whose output the caller reads from `child.stdout`, to its end. */
export function runLayerProgram(
  program: LayerProgram,
  [job = '', ...args]: readonly string[],
  signal: AbortSignal | undefined,
): LayerProcess<Readers> {
  return follow(start(program, [job, ...args], { stdout: 'pipe' }, signal) as Readers, false);
}

/** As runLayerProgram, for a job that waits for a word on `child.stdin`. `forImage`: with the limits of archives. */
export function startFollowing(
  program: LayerProgram,
  [from, to]: readonly [string, string],
  forImage: boolean,
  signal: AbortSignal | undefined,
): LayerProcess<ChildProcessByStdio<Writable, Readable, Readable>> {
  const limits = forImage ? [...limitArgs(program.limits), '--for-image', 'yes'] : [];
  const child = start(program, ['follow', ...limits, from, to], { stdin: 'pipe', stdout: 'pipe' }, signal);
  return follow(child as ChildProcessByStdio<Writable, Readable, Readable>, false);
}

/** Removes a folder with all that is in it. In a process of its own: layers have ten thousands of files. */
export async function removeFolder(program: LayerProgram, folder: string): Promise<void> {
  const exit = await follow(start(program, ['remove', folder], { stdout: 'ignore' }), false).ended;
  if (exit.status !== 0) throw layerFailure(`remove ${folder}`, exit);
}

/** How lines on stderr begin (native/layer/report.h). */
export const layerMarks = { failed: 'dockersh-layer: ', leftOut: 'left-out: ' } as const;

/** The texts of the lines on stderr that begin with the mark. */
export function marked(mark: keyof typeof layerMarks, stderr: string): string[] {
  const begin = layerMarks[mark];
  const lines = stderr.split('\n').filter((line) => line.startsWith(begin));
  return lines.map((line) => line.slice(begin.length));
}

/** What a failed dockersh-layer means: `what` is what was attempted, with the object. Its exit status is the failure. */
export function layerFailure(what: string, exit: ChildOutcome): DockershError {
  const said = marked('failed', exit.stderr)[0] ?? exit.stderr.trim().split('\n')[0];
  const why = said || `dockersh-layer ended with ${exit.signal ?? exit.status}`;
  const failure = failureOf(exit.status ?? undefined) ?? 'system';
  const hint = hints[failure];
  return nativeError(failure, 'E_INTERNAL', { what, why, ...(hint === undefined ? {} : { hint }) });
}

const makeAgain = 'Make the archive again, or check it with "tar -tf".';

const hints: Partial<Record<Failure, string>> = {
  refused: makeAgain,
  entry: makeAgain,
  full: 'Free some space on the file system of the image store.',
  damaged: makeAgain,
  excess: 'See max_entries and max_bytes of [images] in the policy.',
  ids: 'Change the owner of the file: sandboxes have ids up to 65535.',
  nameless: 'Make the archive with bsdtar, or with "tar --xattrs --xattrs-include=*".',
};
