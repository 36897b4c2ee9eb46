// One file of an archive, as the reader found it and as the writer is given it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum tar_kind {
    TAR_FILE,
    TAR_HARDLINK,
    TAR_SYMLINK,
    TAR_DIRECTORY,
    TAR_FIFO,
    TAR_DEVICE, // character or block: never created, so its numbers are not kept
};

struct tar_xattr {
    char *name;
    uint8_t *value;
    size_t length;
};

// A run of data in a sparse file; what lies between the runs reads as zeros.
struct tar_segment {
    uint64_t offset;
    uint64_t length;
};

struct tar_entry {
    enum tar_kind kind;
    char *path; // as the archive spells it: may be absolute, may hold "..", never empty
    char *link; // target of a symbolic or hard link, otherwise NULL
    uint32_t mode;
    uint64_t uid;
    uint64_t gid;
    struct timespec mtime;
    bool host_ids;   // owner and attributes have been checked, and are the host's by now (attributes_to_host)
    uint64_t size;   // of the file, holes included
    uint64_t stored; // bytes of it that the archive holds
    struct tar_segment *segments;
    size_t segment_count;
    struct tar_xattr *xattrs;
    size_t xattr_count;
};

// Frees what the entry owns and makes it empty.
void tar_entry_clear(struct tar_entry *entry);

// Appends an attribute; takes neither pointer, copies both. Returns -1 where memory is short.
int tar_entry_add_xattr(struct tar_entry *entry, const char *name, size_t name_length, const void *value,
                        size_t length);
