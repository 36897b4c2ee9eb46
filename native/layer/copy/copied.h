// Remembers what each file of a copy was made of, so that a later look tells whether that has changed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct copied {
    struct copied_file *files;
    size_t room; // a power of two, or 0
    size_t used;
    // Whether the source's file system sets the time of change as content.h wants it.
    bool tells_changes;
    unsigned pass; // files count once in each
};

void copied_open(struct copied *copied, int source);
void copied_close(struct copied *copied);

// `there` is a file of the copy, made of `source` as it was at that look, with so many bytes of data. -1:
// memory is short.
int copied_add(struct copied *copied, const struct stat *there, const struct stat *source, uint64_t bytes);

// Whether `there` was made of this file, which has not changed since.
bool copied_is(const struct copied *copied, const struct stat *there, const struct stat *source);

// The bytes of data, 0 from the second time in a pass on.
uint64_t copied_count(struct copied *copied, const struct stat *there);
