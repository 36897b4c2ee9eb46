// Moments at which something is killed: spread over the whole time that it takes, a little random, and the
// same again with the same seed.

const roundsAsked = Number(process.env['DOCKERSH_KILL_ROUNDS'] ?? 0);
export const killSeed = Number(process.env['DOCKERSH_KILL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** Every file of every layer takes time: in CI not after every round. */
export const verifyEvery = roundsAsked > 0 ? 1 : 4;

/** Others with each seed: over many runs all moments come about, and half of `usual` does for one. */
export function roundsOf(usual: number): number {
  return roundsAsked > 0 ? roundsAsked : Math.ceil(usual / 2);
}

/** Numbers from 0 to 1, the same for the same seed and purpose (mulberry32). */
export function randomOf(purpose: string): () => number {
  let state = [...purpose].reduce(
    (sum, letter) => Math.imul(sum ^ letter.charCodeAt(0), 16_777_619),
    killSeed,
  );
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Moment {
  readonly round: number;
  readonly afterMs: number;
  readonly victims: 'daemon' | 'command' | 'both';
}

export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** `span`: of a run that nobody disturbs. One moment lies in each of `rounds` equal parts of it. */
export function momentsOf(purpose: string, rounds: number, { startMs, endMs }: Span): Moment[] {
  const random = randomOf(purpose);
  const moments: Moment[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const afterMs = startMs + ((round + random()) / rounds) * (endMs - startMs);
    const chance = random();
    const victims = chance < 0.5 ? 'daemon' : chance < 0.75 ? 'both' : 'command';
    moments.push({ round, afterMs, victims });
  }
  // Early and late ones in turns: what one round leaves meets all kinds of others.
  return moments.sort((left, right) => ((left.round * 7919) % rounds) - ((right.round * 7919) % rounds));
}
