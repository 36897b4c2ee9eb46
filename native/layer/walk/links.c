#include "walk/links.h"

#include <stdlib.h>
#include <string.h>

// The analyzer of GCC 12 loses sight of what is stored through slot_of().
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"

struct link_slot {
    dev_t dev;
    ino_t ino;
    char *path; // NULL: free
};

static struct link_slot *slot_of(struct link_slot *slots, size_t room, dev_t dev, ino_t ino) {
    uint64_t hash = ((uint64_t)ino ^ ((uint64_t)dev << 32)) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 20) & (room - 1);
    while (slots[at].path != NULL && (slots[at].ino != ino || slots[at].dev != dev))
        at = (at + 1) & (room - 1);
    return &slots[at];
}

static int grow(struct link_table *table) {
    size_t room = table->room == 0 ? 256 : table->room * 2;
    struct link_slot *slots = calloc(room, sizeof *slots);
    if (slots == NULL)
        return -1;
    for (size_t index = 0; index < table->room; index++) {
        struct link_slot *old = &table->slots[index];
        if (old->path != NULL)
            *slot_of(slots, room, old->dev, old->ino) = *old;
    }
    free(table->slots);
    table->slots = slots;
    table->room = room;
    return 0;
}

const char *links_first(struct link_table *table, dev_t dev, ino_t ino, const char *path, int *failed) {
    if (table->used * 2 >= table->room && grow(table) < 0) {
        *failed = 1;
        return NULL;
    }
    struct link_slot *slot = slot_of(table->slots, table->room, dev, ino);
    if (slot->path != NULL)
        return slot->path;
    char *copy = strdup(path);
    if (copy == NULL) {
        *failed = 1;
        return NULL;
    }
    *slot = (struct link_slot){dev, ino, copy};
    table->used++;
    return NULL;
}

void links_clear(struct link_table *table) {
    for (size_t index = 0; index < table->room; index++)
        free(table->slots[index].path);
    free(table->slots);
    *table = (struct link_table){0};
}
