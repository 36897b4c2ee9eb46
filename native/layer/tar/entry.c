#include "tar/entry.h"

#include <stdlib.h>
#include <string.h>

void tar_entry_clear(struct tar_entry *entry) {
    free(entry->path);
    free(entry->link);
    free(entry->segments);
    for (size_t index = 0; index < entry->xattr_count; index++) {
        free(entry->xattrs[index].name);
        free(entry->xattrs[index].value);
    }
    free(entry->xattrs);
    memset(entry, 0, sizeof *entry);
}

int tar_entry_add_xattr(struct tar_entry *entry, const char *name, size_t name_length, const void *value,
                        size_t length) {
    struct tar_xattr *grown = reallocarray(entry->xattrs, entry->xattr_count + 1, sizeof *grown);
    if (grown == NULL)
        return -1;
    entry->xattrs = grown;
    struct tar_xattr *added = &grown[entry->xattr_count];
    added->name = strndup(name, name_length);
    // One byte more than needed: an empty value must still be a pointer that can be told from NULL.
    added->value = malloc(length + 1);
    added->length = length;
    if (added->name == NULL || added->value == NULL) {
        free(added->name);
        free(added->value);
        return -1;
    }
    if (length > 0)
        memcpy(added->value, value, length);
    entry->xattr_count++;
    return 0;
}
