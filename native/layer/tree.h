// The folder that an archive is unpacked into: where in it a path leads, and what has to wait until
// the end. Symbolic links that the archive itself made are followed as they would be in the finished
// root filesystem, with this folder as "/" (openat2(2), RESOLVE_IN_ROOT), so none leads out of it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "archive_limits.h"
#include "err.h"

struct tree_time {
    char *path; // with no symbolic link in it
    struct timespec mtime;
};

struct tree {
    int root; // borrowed
    const struct limits *limits;
    uint64_t entries;
    int parent;              // of the entry last placed; O_PATH
    char *parent_path;       // as the archive spelled it
    char *parent_real;       // as it is after following links, "" for the root
    struct timespec implied; // time of folders that no entry speaks of: that of the entry they are made for
    bool stale;              // something was removed since: find the parent anew
    struct tree_time *times;
    size_t time_count;
};

// A path of the archive after tree_clean(): no leading or doubled slash, no "." and no "..".
struct tree_path {
    char *path; // owned; "" for the root itself
    char *name; // its last component, within `path`
};

void tree_open(struct tree *tree, int root, const struct limits *limits);
void tree_close(struct tree *tree);

// Refuses "..", components above 255 bytes and what is longer or deeper than the limits allow. A
// leading slash means the root of the tree.
int tree_clean(const struct tree *tree, const char *path, struct tree_path *clean, struct err *err);
void tree_path_clear(struct tree_path *path);

// Descriptor (borrowed, valid until the next call) of the folder that `path` lies in. Makes folders
// that are missing, as root's, mode 0755. `real` in the tree is the folder's path without links.
int tree_parent(struct tree *tree, const struct tree_path *path, struct err *err);

// As tree_parent for a path that must exist already; the caller owns the descriptor.
int tree_find_parent(const struct tree *tree, const struct tree_path *path, struct err *err);

// Counts one more file, folder or link against the limit.
int tree_count(struct tree *tree, struct err *err);

// Removes what stands at `name`, a folder with all that is in it.
int tree_remove(struct tree *tree, int parent, const char *name, struct err *err);

// Remembers the time of a folder: making the files in it changes it, so it is set at the end.
int tree_remember_time(struct tree *tree, const char *name, struct timespec mtime, struct err *err);
// The root's, where no entry speaks of it.
int tree_remember_root(struct tree *tree, struct err *err);
int tree_set_times(struct tree *tree, struct err *err);
