// Builds a second wall around a job, for the case that its input takes it over: files other than those of its
// job's folders, programs, sockets and other processes are refused by the kernel, whatever its user id and
// the capabilities that it keeps would allow. By a system call filter, and by Landlock where the kernel has
// it (5.19 and later, unless it was started without); elsewhere the first wall stands alone (confine.h).
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct wall_folder {
    const char *path;
    bool writable;
};

// After confine_drop(), which sets no_new_privs. Holds for this process and all that it starts.
int wall_build(const struct wall_folder *folders, size_t count, struct err *err);

// What a job may do that others may not.
enum wall_exception {
    WALL_DEVICES = 1, // make devices of any number; otherwise only whiteouts (0, 0)
    WALL_MOUNTS = 4,  // make mounts and namespaces
    WALL_HANDLES = 2, // open files by handle, and so any file of a file system (deep.c)
};

// The system call filter alone, for jobs whose folders may be as deep as a user has made them: Landlock goes
// up from every file to its rule, which made marking 10,000 levels take 13 s instead of 0.2.
int wall_calls(unsigned exceptions, struct err *err);
