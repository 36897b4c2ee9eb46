// Copies one file that is no folder.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "copy/state.h"
#include "err.h"

// One file in the folder it lies in, on both sides.
struct place {
    int from, to;
    const char *name;
    const struct stat *info;
};

// The tree changes meanwhile: a name that is gone or something else by now is no failure.
bool file_vanished(void);

// What has been opened, and whether it is what was looked at by name.
int file_look_again(const struct copy *job, int fd, const struct stat *before, struct stat *now,
                    struct err *err);

// What was made in the copy, as `to` or as `name` in it, is what `source` was when it was looked at.
int file_remember(struct copy *job, int to, const char *name, const struct stat *source, uint64_t bytes,
                  struct err *err);

// 1: made as a link to a name that the file already has in the copy.
int file_copy_link(struct copy *job, const struct place *place, struct err *err);
int file_copy(struct copy *job, const struct place *place, struct err *err);
// Links, pipes, sockets and whiteouts: everything that cannot be opened for its attributes.
int file_copy_special(struct copy *job, const struct place *place, struct err *err);
