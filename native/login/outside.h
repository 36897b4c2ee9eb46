// Runs a shell of the host instead of a sandbox: for root, who never gets one, and for accounts that the
// daemon says are exempt. Whoever asks for it by arguments or variables gets a sandbox all the same.
#pragma once

#include <stddef.h>

// What the host's shell is called with, out of how the client was called: as src/shell/command.ts has it for
// a shell inside. `exec_path` is the path by which the client was executed, `original` sshd's original
// command or NULL. `name` (`size` bytes) takes the shell's argv[0]; `out` needs room for `argc` + 3 pointers.
void outside_arguments(char **argv, const char *exec_path, const char *original, const char *shell,
                       char *name, size_t size, const char **out);

// Becomes the shell, or /bin/sh where that can't be run. Returns only where neither can, with errno.
void outside_run(const char *shell, int argc, char **argv);
