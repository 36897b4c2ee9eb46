// Parses extended headers: the records of a pax header ("LENGTH KEY=VALUE\n", type x) and what GNU's long
// name entries (types L and K) say. They hold for the one entry that follows.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "err.h"
#include "tar/entry.h"

struct pax {
    char *path;
    char *link;
    bool has_size, has_uid, has_gid, has_mtime;
    uint64_t size;
    uint64_t uid;
    uint64_t gid;
    struct timespec mtime;
    struct tar_entry attributes; // only its xattrs are used
    // GNU's sparse files: 0.0 and 0.1 have their map here, 1.0 has it before the data.
    bool sparse;
    bool has_sparse_size;
    unsigned sparse_major, sparse_minor;
    uint64_t sparse_size;
    struct tar_segment *segments;
    size_t segment_count;
    bool open_segment; // 0.0: an offset was read, its length was not yet
};

void pax_clear(struct pax *pax);

// Takes the records of one header apart, on top of what `pax` holds. The text need not end in NUL.
int pax_parse(const uint8_t *text, size_t length, struct pax *pax, struct err *err);

// Appends to a growing list of segments; refuses more than TAR_MAX_SEGMENTS.
#define TAR_MAX_SEGMENTS (1u << 20)
int pax_add_segment(struct tar_segment **segments, size_t *count, uint64_t offset, uint64_t length,
                    struct err *err);
