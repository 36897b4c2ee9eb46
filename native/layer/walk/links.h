// Remembers where in the tree a file with several names was first met.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct link_table {
    struct link_slot *slots;
    size_t room; // a power of two, or 0
    size_t used;
};

// The path under which (dev, ino) was first met; the first time, remembers `path` and returns NULL.
// `failed` is set where memory is short.
const char *links_first(struct link_table *table, dev_t dev, ino_t ino, const char *path, int *failed);
void links_clear(struct link_table *table);
