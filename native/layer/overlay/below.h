// Looks through layers in overlay's form from above: which of their folders make up one folder
// (overlayfs.rst, "Merged directories"). Follows no link.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "err.h"

// Folders that show through at one place, topmost first.
struct below {
    int *folders; // owned, and the descriptors in it
    size_t count;
};

// The roots of layers, topmost first, down to the first that is opaque: that one hides the rest.
int below_open(const char *const *paths, size_t count, struct below *below, struct err *err);
void below_clear(struct below *below);

// What is seen of `name`: 1 with its `info`, 0 where there is nothing.
int below_look(const struct below *below, const char *name, struct stat *info, struct err *err);

// The folders called `name` that make up one folder: down to the first that is opaque, or to what is none.
int below_descend(const struct below *below, const char *name, struct below *inner, struct err *err);

// True where `name` stands in the folder, whatever it is.
bool below_has(int folder, const char *name);
