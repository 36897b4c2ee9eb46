// Finds a character at the end of some bytes that is not whole yet. The emulator's decoder loses some of those when
// it gets them in two pieces, so that it is never given any.

/** How many bytes at the end begin a character and lack the rest of it: 0 to 3. */
export function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) {
      const whole = byte >= 0xf8 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return whole > back ? back : 0;
    }
  }
  return 0;
}
