// Images: import, pull from a registry on loopback, commit; against what else does the same here.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram, program } from '../test/fixtures/machine.ts';
import { run, runOk } from '../test/fixtures/process.ts';
import type { Benchmark } from './benchmarks.ts';
import { ourName } from './contenders.ts';
import type { Field } from './field.ts';
import { notAbove, type Row, summarize } from './figures.ts';
import { type Layout, makeLayout } from './images-data.ts';
import { long, type Workplace, workplace } from './images-place.ts';
import { peakOf } from './peak.ts';
import { medianOf } from './turns.ts';

const mebibyte = 1024 * 1024;
const imageLayers = 8;

/** Something that does the job. `run` is timed, `before` brings about the state that it needs. */
interface Worker {
  readonly name: string;
  readonly before: () => Promise<unknown>;
  readonly run: () => Promise<unknown>;
}

export const imageImport: Benchmark = async (field, { rounds = 3, quick }) => {
  await using place = await workplace(field);
  const image = await makeLayout(join(place.folder, 'image'), (quick ? 100 : 1024) * mebibyte, imageLayers);
  const workers: Worker[] = [
    ours(field, () => field.host.ctlOk('image', 'import', 'bench', image.folder)),
    ...umoci(place, () => Promise.resolve(image.folder)),
    ...podman(place, () => ['pull', '--quiet', `oci:${image.folder}:latest`]),
  ];
  return await compare(
    'image-import',
    `Import of ${describe(image)} from an OCI layout`,
    field,
    workers,
    rounds,
  );
};

export const imagePull: Benchmark = async (field, { rounds = 3, quick }) => {
  const missing = ['docker-registry', 'skopeo'].filter((name) => findProgram(name) === undefined);
  const title = (what: string): string => `Pull of ${what} from a registry on loopback`;
  if (missing.length > 0) return absent('image-pull', title('an image'), missing);
  await using place = await workplace(field);
  const image = await makeLayout(join(place.folder, 'image'), (quick ? 100 : 1024) * mebibyte, imageLayers);
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
  return await compare('image-pull', title(describe(image)), field, workers, rounds);
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
) {
  const times = new Map<string, number[]>(workers.map(({ name }) => [name, []]));
  let peakKiB = 0;
  for (let round = 0; round < rounds; round += 1) {
    for (let offset = 0; offset < workers.length; offset += 1) {
      const worker = workers[(round + offset) % workers.length];
      if (worker === undefined) continue;
      await worker.before();
      await runOk('sync', []);
      using memory = worker.name === ourName ? peakOf(field.host.daemonPid) : undefined;
      const began = performance.now();
      await worker.run();
      times.get(worker.name)?.push((performance.now() - began) / 1000);
      peakKiB = Math.max(peakKiB, memory?.kib() ?? 0);
    }
  }
  const table: Row[] = [...times].map(([name, seconds]) => ({ name, ...summarize(seconds) }));
  const others = table.filter(({ name }) => name !== ourName).map(({ median }) => median);
  const speed = others.length === 0 ? [] : [medianOf(table, ourName) / Math.min(...others)];
  return {
    benchmark,
    title,
    unit: 's',
    rows: table,
    goals: [
      ...speed.map((ratio) => notAbove('times as long as the fastest other, at most 1', ratio, 1)),
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
