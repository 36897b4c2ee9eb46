// Images: import, pull from a registry on loopback, commit; against what else does the same here.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { findProgram, program } from '../test/fixtures/machine.ts';
import { run, runOk } from '../test/fixtures/process.ts';
import type { Benchmark } from './benchmarks.ts';
import { ourName } from './contenders.ts';
import type { Field } from './field.ts';
import { notAbove, notBelow, type Row, summarize } from './figures.ts';
import { type Layout, makeLayout } from './images-data.ts';
import { long, type Workplace, workplace } from './images-place.ts';
import { peakOf } from './peak.ts';
import { medianOf } from './turns.ts';

const mebibyte = 1024 * 1024;
/**
 * ext4 passes over inodes that were removed in the last minute, one by one with each that it gives out: right after a
 * hundred thousand have gone, that alone takes most of an import's time, whoever imports.
 */
const forgottenMs = 65_000;
const floorName = 'pigz | tar, sync';

/** Something that does the job. `run` is timed, `before` brings about the state that it needs. */
interface Worker {
  readonly name: string;
  readonly before: () => Promise<unknown>;
  readonly run: () => Promise<unknown>;
}

/** What an image consists of, and how much faster than the fastest other its import and pull are to be. */
interface Kind {
  readonly name: string;
  readonly bytes: number;
  readonly layers: number;
  readonly fileBytes?: number;
  readonly timesFaster: number;
}

/** As a distribution's, and the two ends: what takes its time is to make files, or to write them. */
const usual: Kind = { name: '', bytes: 1024 * mebibyte, layers: 8, timesFaster: 1 };
const small: Kind = { name: '-small', bytes: 60_000 * 4096, layers: 4, fileBytes: 4096, timesFaster: 1.3 };
const big: Kind = {
  name: '-big',
  bytes: 1024 * mebibyte,
  layers: 4,
  fileBytes: 64 * mebibyte,
  timesFaster: 1.5,
};

const imageOf = (place: Workplace, kind: Kind, quick: boolean): Promise<Layout> =>
  makeLayout(join(place.folder, 'image'), kind.bytes / (quick ? 10 : 1), kind.layers, kind.fileBytes);

const importOf =
  (kind: Kind): Benchmark =>
  async (field, { rounds = 3, quick }) => {
    await using place = await workplace(field);
    const image = await imageOf(place, kind, quick);
    const workers: Worker[] = [
      ours(field, () => field.host.ctlOk('image', 'import', 'bench', image.folder)),
      ...umoci(place, () => Promise.resolve(image.folder)),
      ...podman(place, () => ['pull', '--quiet', `oci:${image.folder}:latest`]),
      ...floor(place, image),
    ];
    const title = `Import of ${describe(image)} from an OCI layout`;
    return await compare(`image-import${kind.name}`, title, field, workers, rounds, kind.timesFaster);
  };

const pullOf =
  (kind: Kind): Benchmark =>
  async (field, { rounds = 3, quick }) => {
    const missing = ['docker-registry', 'skopeo'].filter((name) => findProgram(name) === undefined);
    const benchmark = `image-pull${kind.name}`;
    const title = (what: string): string => `Pull of ${what} from a registry on loopback`;
    if (missing.length > 0) return absent(benchmark, title('an image'), missing);
    await using place = await workplace(field);
    const image = await imageOf(place, kind, quick);
    const remote = `${await place.registry()}/bench/image:1`;
    const skopeo = program('skopeo');
    const copy = ['copy', '--quiet', '--src-tls-verify=false', '--dest-tls-verify=false'];
    await runOk(skopeo, [...copy, `oci:${image.folder}:latest`, `docker://${remote}`], long);
    const workers: Worker[] = [
      ours(field, () => field.host.ctlOk('image', 'pull', remote, '--as', 'bench')),
      ...umoci(place, async () => {
        const folder = join(place.folder, 'copied');
        await runOk(skopeo, [...copy, `docker://${remote}`, `oci:${folder}:latest`], long);
        return folder;
      }).map((worker) => ({ ...worker, name: 'skopeo+umoci' })),
      ...podman(place, () => ['pull', '--quiet', '--tls-verify=false', `docker://${remote}`]),
    ];
    return await compare(benchmark, title(describe(image)), field, workers, rounds, kind.timesFaster);
  };

export const imageImports = {
  'image-import': importOf(usual),
  'image-import-small': importOf(small),
  'image-import-big': importOf(big),
};
export const imagePulls = {
  'image-pull': pullOf(usual),
  'image-pull-small': pullOf(small),
  'image-pull-big': pullOf(big),
};

export const imageCommit: Benchmark = async (field, { rounds = 3, quick }) => {
  await using place = await workplace(field);
  const changeMebibytes = quick ? 10 : 100;
  const image = await makeLayout(join(place.folder, 'image'), 10 * mebibyte, 1);
  await field.host.ctlOk('image', 'import', 'bench', image.folder);
  await field.host.setPolicy({ defaults: { image: 'bench', linger: 'forever' } });
  const change = `dd if=/dev/urandom of=/srv/change bs=1048576 count=${changeMebibytes}`;
  const exec = ['exec', '--program', join(field.host.folder, 'bin/dockersh-exec'), field.account.name, '--'];
  await field.stop([field.account]);
  await runOkOf(await field.host.ctl(...exec, '/bin/sh', '-c', change), 'the change');
  const workers: Worker[] = [
    {
      name: ourName,
      before: () => field.host.ctl('image', 'rm', 'bench/committed'),
      run: () => field.host.ctlOk('commit', field.account.name, 'bench/committed'),
    },
    ...(await podmanCommit(place, image, change)),
  ];
  const title = `Commit of a change of ${changeMebibytes} MiB`;
  const result = await compare('image-commit', title, field, workers, rounds);
  await field.host.setPolicy({ defaults: { image: 'host', linger: 'forever' } });
  await field.stop([field.account]);
  return result;
};

function ours(field: Field, work: () => Promise<unknown>): Worker {
  return {
    name: ourName,
    before: async () => {
      await field.host.ctl('image', 'rm', 'bench', '--force');
      await field.host.ctlOk('image', 'gc');
    },
    run: work,
  };
}

/** Unpacks the layout that `fetch` gives. */
function umoci(place: Workplace, fetch: () => Promise<string>): Worker[] {
  const path = findProgram('umoci');
  if (path === undefined) return [];
  const bundle = join(place.folder, 'bundle');
  return [
    {
      name: 'umoci',
      before: async () => {
        await rm(bundle, { recursive: true, force: true });
        await rm(join(place.folder, 'copied'), { recursive: true, force: true });
      },
      run: async () => {
        const layout = await fetch();
        await runOk(path, ['unpack', '--image', `${layout}:latest`, bundle], long);
      },
    },
  ];
}

function podman(place: Workplace, args: () => string[]): Worker[] {
  const path = findProgram('podman');
  if (path === undefined) return [];
  return [
    {
      name: 'podman',
      before: () => runOk(path, [...place.podman, 'rmi', '--all', '--force'], long),
      run: () => runOk(path, [...place.podman, ...args()], long),
    },
  ];
}

/** What has to be done at the least: no digest is verified, and nothing kept but the files. */
function floor(place: Workplace, image: Layout): Worker[] {
  const [pigz, tar] = [findProgram('pigz'), program('tar')];
  if (pigz === undefined) return [];
  const tree = join(place.folder, 'tree');
  const unpack = image.layers.map((layer) => `${pigz} -dc ${layer} | ${tar} -x -C ${tree}`).join(' && ');
  return [
    {
      name: floorName,
      before: () => runOk('/bin/sh', ['-c', `rm -rf ${tree} && mkdir ${tree}`], long),
      run: () => runOk('/bin/sh', ['-c', `${unpack} && sync -f ${tree}`], long),
    },
  ];
}

async function podmanCommit(place: Workplace, image: Layout, change: string): Promise<Worker[]> {
  const path = findProgram('podman');
  if (path === undefined) return [];
  const podman = (...args: string[]) => runOk(path, [...place.podman, ...args], long);
  const pulled = await podman('pull', '--quiet', `oci:${image.folder}:latest`);
  const id = pulled.trim();
  // Started containers need cgroups of podman's liking: the change is made in the mounted root instead.
  const container = (await podman('create', id)).trim();
  const root = (await podman('mount', container)).trim();
  await runOk('/bin/sh', ['-c', change.replace('of=/srv', `of=${root}/srv`)], long);
  await podman('umount', container);
  return [
    {
      name: 'podman',
      before: () => run(path, [...place.podman, 'rmi', '--force', 'bench/committed'], long),
      run: () => podman('commit', '--quiet', container, 'bench/committed'),
    },
  ];
}

async function compare(
  benchmark: string,
  title: string,
  field: Field,
  workers: readonly Worker[],
  rounds: number,
  timesFaster = 1,
) {
  const times = new Map<string, number[]>(workers.map(({ name }) => [name, []]));
  let peakKiB = 0;
  for (let round = 0; round < rounds; round += 1) {
    for (const worker of workers) await worker.before();
    await runOk('sync', []);
    await setTimeout(forgottenMs);
    for (let offset = 0; offset < workers.length; offset += 1) {
      const worker = workers[(round + offset) % workers.length];
      if (worker === undefined) continue;
      using memory = worker.name === ourName ? peakOf(field.host.daemonPid) : undefined;
      const began = performance.now();
      await worker.run();
      times.get(worker.name)?.push((performance.now() - began) / 1000);
      peakKiB = Math.max(peakKiB, memory?.kib() ?? 0);
      await runOk('sync', []);
    }
  }
  const table: Row[] = [...times].map(([name, seconds]) => ({ name, ...summarize(seconds) }));
  const ourTime = medianOf(table, ourName);
  const others = table.filter(({ name }) => ![ourName, floorName].includes(name)).map(({ median }) => median);
  const speed = others.length === 0 ? [] : [Math.min(...others) / ourTime];
  const least = table.filter(({ name }) => name === floorName).map(({ median }) => ourTime / median);
  return {
    benchmark,
    title,
    unit: 's',
    rows: table,
    goals: [
      ...speed.map((ratio) =>
        notBelow(`times as fast as the fastest other, at least ${timesFaster}`, ratio, timesFaster),
      ),
      ...least.map((ratio) => notAbove(`times as long as ${floorName}, at most 1.3`, ratio, 1.3)),
      notAbove('MiB at the most, of the daemon and its helpers', peakKiB / 1024, 200),
    ],
    notes: [`without: ${absentOf(['umoci', 'skopeo', 'podman']).join(', ') || 'nothing'}`],
  };
}

function describe({ uncompressedBytes, compressedBytes }: Layout): string {
  const inMebibytes = (bytes: number): string => `${Math.round(bytes / mebibyte)} MiB`;
  return `${inMebibytes(uncompressedBytes)} (${inMebibytes(compressedBytes)} compressed)`;
}

function absentOf(names: readonly string[]): string[] {
  return names.filter((name) => findProgram(name) === undefined);
}

function absent(benchmark: string, title: string, missing: readonly string[]) {
  return {
    benchmark,
    title,
    unit: 's',
    rows: [],
    goals: [],
    notes: [`not installed: ${missing.join(', ')}`],
  };
}

async function runOkOf(result: { code: number | null; stderr: Buffer }, what: string): Promise<void> {
  if (result.code !== 0) throw new Error(`${what}: ${result.stderr.toString()}`);
}
