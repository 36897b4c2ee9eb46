// Describes the ends that a channel is joined to: sources that can be stopped, and sinks that say when they have taken something.

export interface Source {
  /** Calls back with bytes, which are the callee's; once with the end, also after an error. */
  read(data: (bytes: Buffer) => void, end: () => void): void;
  pause(): void;
  resume(): void;
  close(): void;
}

export interface Sink {
  /** `taken`: the bytes are out of this process, or nobody wants them any more. */
  write(bytes: Buffer, taken: () => void): void;
  /** No more comes. */
  end(): void;
  close(): void;
}
