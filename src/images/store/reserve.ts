// Keeps a little of the disk back for what makes room on it: taking a name away writes a file too, and on a full disk
// nothing could ever be removed.

import { randomBytes } from 'node:crypto';
import { type FileHandle, open, truncate } from 'node:fs/promises';
import { Serial } from '../../lib/async/serial.ts';
import { DockershError, hasErrno } from '../../lib/errors.ts';

/** Far more than an index and a few folders take. */
const reservedBytes = 1024 * 1024;

export class Reserve {
  readonly #file: string;
  readonly #turns = new Serial();

  private constructor(file: string) {
    this.#file = file;
  }

  /** Of a file of its own on the disk in question. */
  static async open(file: string): Promise<Reserve> {
    const reserve = new Reserve(file);
    await reserve.#takeBack();
    return reserve;
  }

  /** Runs `work`, and where it finds the disk full once more, with what has been kept back. It may stop anywhere. */
  async whenFull<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isFull(error)) throw error;
    }
    return await this.#turns.take(async () => {
      await truncate(this.#file, 0);
      try {
        return await work();
      } finally {
        await this.#takeBack();
      }
    });
  }

  /** As much as there is room for: what is not there now is taken another time. */
  async #takeBack(): Promise<void> {
    try {
      await using file = await open(this.#file, 'a', 0o600);
      await fill(file);
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }
}

/** With what no file system stores in less than it is. */
async function fill(file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  if (size >= reservedBytes) return;
  await file.writeFile(randomBytes(reservedBytes - size));
  await file.sync();
}

function isFull(error: unknown): boolean {
  return (
    hasErrno(error, 'ENOSPC', 'EDQUOT') || (error instanceof DockershError && error.code === 'E_DISK_FULL')
  );
}
