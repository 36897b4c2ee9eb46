// Confines an unpacking process to its folder, whatever an archive makes it do.
#pragma once

#include <stdint.h>

#include "archive_limits.h"
#include "err.h"

// Makes the folder this process's whole file system: a mount namespace of its own whose root is the
// folder and which holds nothing else (no /proc, no /dev), without set-id programs, device files and
// execution. Also leaves the network, the host's IPC objects and, for children, the PID namespace.
// Call as root, with one thread, before reading anything.
int confine_enter(const char *path, struct err *err);

// Keeps the capabilities of `keep` (bits by number, capabilities(7)), gives up every other for good and
// sets no_new_privs. After it, nothing this process executes or becomes has more.
int confine_drop(uint64_t keep, struct err *err);

// Resource limits of a process that reads an archive: memory, no core file.
int confine_limit(const struct limits *limits, struct err *err);

#define CAP_BIT(number) (UINT64_C(1) << (number))
// linux/capability.h
enum confine_capability {
    CAPABILITY_CHOWN = 0,
    CAPABILITY_DAC_OVERRIDE = 1,
    CAPABILITY_DAC_READ_SEARCH = 2,
    CAPABILITY_FOWNER = 3,
    CAPABILITY_FSETID = 4,
    CAPABILITY_SETGID = 6,
    CAPABILITY_SETUID = 7,
    CAPABILITY_SETPCAP = 8,
    CAPABILITY_LINUX_IMMUTABLE = 9,
    CAPABILITY_SYS_ADMIN = 21,
    CAPABILITY_MKNOD = 27,
    CAPABILITY_SETFCAP = 31,
};
