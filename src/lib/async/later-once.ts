// Puts work off, so that it is done once for all who want it until then.

/** A function that has `work` done once after `ms`, however often it is called until then. */
export function laterOnce(ms: number, work: () => void): () => void {
  let planned = false;
  return () => {
    if (planned) return;
    planned = true;
    const timer = setTimeout(() => {
      planned = false;
      work();
    }, ms);
    timer.unref();
  };
}
