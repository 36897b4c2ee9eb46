// script/bench: measures, prints tables, and writes everything as JSON when asked.

import { writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { version } from '../src/lib/version.ts';
import { type Benchmark, burst, cold, pipeIn, pipeOut, prompt, terminal, warm } from './benchmarks.ts';
import { connectionCold, connectionWarm } from './connection.ts';
import { ctl } from './ctl.ts';
import { disk } from './disk.ts';
import { Field } from './field.ts';
import { formatResult, type Result } from './figures.ts';
import { floods } from './floods.ts';
import { gatewayBulk, gatewayConnection, gatewayMemory } from './gateway.ts';
import { gatewayCrowd } from './gateway-crowd.ts';
import { hostile } from './hostile.ts';
import { imageScale, imageUsers } from './image-scale.ts';
import { imageCommit, imageImports, imagePulls } from './images.ts';
import { imagePause } from './images-pause.ts';
import { memory } from './memory.ts';
import { networkBytes, networkCold, networkMemory, networkRequests, networkWarm } from './network.ts';
import { networkScale } from './network-scale.ts';
import { policy } from './policy.ts';
import { promptRecorded, terminalRecorded } from './recorded.ts';
import { auditFilter, metrics } from './records.ts';
import { sshCold, sshWarm } from './ssh.ts';

const benchmarks: Record<string, Benchmark> = {
  warm,
  burst,
  cold,
  prompt,
  'pipe-out': pipeOut,
  'pipe-in': pipeIn,
  terminal,
  'terminal-recorded': terminalRecorded,
  'prompt-recorded': promptRecorded,
  memory,
  'ssh-warm': sshWarm,
  'ssh-cold': sshCold,
  'gateway-connection': gatewayConnection,
  'gateway-bulk': gatewayBulk,
  'gateway-memory': gatewayMemory,
  'gateway-crowd': gatewayCrowd,
  'connection-warm': connectionWarm,
  'connection-cold': connectionCold,
  disk,
  policy,
  ctl,
  metrics,
  'audit-filter': auditFilter,
  floods,
  ...imageImports,
  ...imagePulls,
  'image-commit': imageCommit,
  'image-pause': imagePause,
  'image-scale': imageScale,
  'image-users': imageUsers,
  'network-cold': networkCold,
  'network-warm': networkWarm,
  'network-bytes': networkBytes,
  'network-requests': networkRequests,
  'network-memory': networkMemory,
  'network-scale': networkScale,
  hostile,
};

/** It wants the machine for itself, for a while. */
const onlyByName = ['hostile', 'network-scale'];

const usage = `Usage: sudo script/bench [options] [benchmark …]

Benchmarks, all but hostile and network-scale by default: ${Object.keys(benchmarks).join(' ')}
"images" stands for all that begin with "image-", "networks" and "connections" likewise.

  --rounds N    rounds of each benchmark instead of its own number
  --seconds N   how long "hostile" works beside the attacker, after two minutes in peace at most (60)
  --quick       less data in the throughput benchmarks
  --json FILE   write the figures there as well ("-": to stdout instead of the tables)
  --against DIR measure another built checkout of dockersh too, in turns with this one
  --strict      end with status 1 when a goal is missed
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      against: { type: 'string' },
      strict: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
  const names = positionals.flatMap((name) =>
    ['images', 'networks', 'connections'].includes(name)
      ? Object.keys(benchmarks).filter((one) => one.startsWith(`${name.slice(0, -1)}-`))
      : [name],
  );
  const unknown = names.filter((name) => !Object.hasOwn(benchmarks, name));
  const wrong = [rounds, seconds].some((n) => n !== undefined && !(Number.isInteger(n) && n > 0));
  if (unknown.length > 0 || wrong) {
    process.stderr.write(usage);
    return 64;
  }

  const results: Result[] = [];
  const print = (text: string): void => void (values.json === '-' || process.stdout.write(text));
  {
    await using field = await Field.create(values.against);
    for (const [name, benchmark] of Object.entries(benchmarks)) {
      if (names.length > 0 ? !names.includes(name) : onlyByName.includes(name)) continue;
      const result = await benchmark(field, { rounds, quick: values.quick, seconds });
      results.push(result);
      print(formatResult(result));
    }
  }
  const machine = {
    kernel: release(),
    cpus: cpus().length,
    model: cpus()[0]?.model,
    memoryBytes: totalmem(),
  };
  const report = `${JSON.stringify({ version, at: new Date().toISOString(), machine, results }, null, 2)}\n`;
  if (values.json === '-') process.stdout.write(report);
  else if (values.json !== undefined) await writeFile(values.json, report);
  const missed = results.flatMap(({ goals }) => goals).filter(({ met }) => !met);
  return values.strict && missed.length > 0 ? 1 : 0;
}

process.exitCode = await main();
