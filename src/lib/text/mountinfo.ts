// Paths as /proc/PID/mountinfo writes them (proc_pid_mountinfo(5)). Pure.

/** Blanks, tabs, line breaks and backslashes stand there as octal numbers: "\\040". */
export function mountPath(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
