// Sizes and durations as people write them in policy files, and back. Pure.

/** A parsed quantity, or what is wrong with the text in words that fit after "memory: ". */
export type Quantity =
  | { readonly ok: true; readonly value: number }
  | { readonly ok: false; readonly problem: string };

const sizeFactors = { B: 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 } as const;
const durationFactors = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

const sizePattern = /^(\d{1,16})(?:\.(\d{1,9}))?(B|[KMGT](?:iB)?)$/i;
const durationPattern = /^(?:(\d{1,12})d)?(?:(\d{1,12})h)?(?:(\d{1,12})m)?(?:(\d{1,12})s)?(?:(\d{1,15})ms)?$/;

const invalid = (problem: string): Quantity => ({ ok: false, problem });

/** Bytes of "512M", "1.5G", "64KiB", "0". Units are powers of 1024, in either case; only 0 needs none. */
export function parseSize(text: string): Quantity {
  if (text === '0') return { ok: true, value: 0 };
  const match = sizePattern.exec(text);
  if (match === null) return invalid('is not a size such as 512M or 10G (units: B K M G T)');
  const [, whole = '', fraction = '', unit = ''] = match;
  const factor = sizeFactors[unit.slice(0, 1).toUpperCase() as keyof typeof sizeFactors];
  const bytes = Number(`${whole}.${fraction || '0'}`) * factor;
  if (!Number.isSafeInteger(bytes)) return invalid('is not a whole number of bytes, or is too large');
  return { ok: true, value: bytes };
}

/** Shortest exact text of a size: "512M", "1536M", "1025B". Inverse of parseSize for safe integers. */
export function formatSize(bytes: number): string {
  assertQuantity(bytes);
  for (const unit of ['T', 'G', 'M', 'K'] as const) {
    if (bytes >= sizeFactors[unit] && bytes % sizeFactors[unit] === 0)
      return `${bytes / sizeFactors[unit]}${unit}`;
  }
  return `${bytes}B`;
}

/** Milliseconds of "30s", "10m", "1h30m", "2d", "250ms", "0"; Infinity for "forever". */
export function parseDuration(text: string): Quantity {
  if (text === 'forever') return { ok: true, value: Number.POSITIVE_INFINITY };
  if (text === '0') return { ok: true, value: 0 };
  const match = durationPattern.exec(text);
  if (match === null || text === '') return invalid('is not a duration such as 30s, 10m, 1h30m or 2d');
  const factors = Object.values(durationFactors);
  const ms = factors.reduce((sum, factor, index) => sum + Number(match[index + 1] ?? 0) * factor, 0);
  if (!Number.isSafeInteger(ms)) return invalid('is too long');
  return { ok: true, value: ms };
}

/** Exact text of a duration: "1h30m", "250ms", "0s", "forever". Inverse of parseDuration. */
export function formatDuration(ms: number): string {
  if (ms === Number.POSITIVE_INFINITY) return 'forever';
  assertQuantity(ms);
  let rest = ms;
  let text = '';
  for (const [unit, factor] of Object.entries(durationFactors)) {
    const count = Math.floor(rest / factor);
    if (count > 0) text += `${count}${unit}`;
    rest %= factor;
  }
  return text || '0s';
}

function assertQuantity(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a quantity: ${value}`);
}
