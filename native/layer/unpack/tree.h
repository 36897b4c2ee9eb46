// Resolves paths in the folder that an archive is unpacked into, and keeps what has to wait until the end.
// Symbolic links that the archive itself made are followed as they would be in the finished root filesystem,
// with this folder as "/" (openat2(2), RESOLVE_IN_ROOT), so none leads out of it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "archive_limits.h"
#include "err.h"
#include "tar/entry.h"

struct tree_folder {
    char *path; // with no symbolic link in it
    struct timespec mtime;
    size_t order; // in which the archive spoke of it: the last word counts
    bool implied; // by a path through it, and not told by an entry of its own
    bool anew;    // only this is told: a whiteout says that it has nothing to do with the one below
    struct tar_entry *defaults; // owned; holds its default access list, NULL where it has none
};

struct tree {
    int root;   // borrowed
    int marker; // borrowed: the socket of marker.h
    const struct limits *limits;
    uint64_t entries;
    uint64_t implied_folders;
    int parent;              // of the entry last placed; O_PATH
    char *parent_path;       // as the archive spelled it
    char *parent_real;       // as it is after following links, "" for the root
    uint32_t uid, gid;       // of folders that no entry speaks of: root's, as the host has it
    struct timespec implied; // time of folders that no entry speaks of: that of the entry they are made for
    bool stale;              // something was removed since: find the parent anew
    struct tree_folder *folders;
    size_t folder_count;
};

// A path of the archive after tree_clean(): no leading or doubled slash, no "." and no "..".
struct tree_path {
    char *path; // owned; "" for the root itself
    char *name; // its last component, within `path`
};

void tree_open(struct tree *tree, int root, int marker, const struct limits *limits);
void tree_close(struct tree *tree);

// Refuses a ".." that leads out, components above 255 bytes and what is longer or deeper than the limits
// allow. A leading slash means the root of the tree; a ".." takes away what is before it in the text.
int tree_clean(const struct tree *tree, const char *path, struct tree_path *clean, struct err *err);
void tree_path_clear(struct tree_path *path);

// Descriptor (borrowed, valid until the next call) of the folder that `path` lies in. Makes folders
// that are missing, as root's, mode 0755, and of whiteouts folders that hide the same. `real` in the tree is
// the folder's path without links.
int tree_parent(struct tree *tree, const struct tree_path *path, struct err *err);

// As tree_parent for a path that must exist already; the caller owns the descriptor.
int tree_find_parent(const struct tree *tree, const struct tree_path *path, struct err *err);

// Counts one more file, folder or link against the limit.
int tree_count(struct tree *tree, struct err *err);

// Removes what stands at `name`, a folder with all that is in it.
int tree_remove(struct tree *tree, int parent, const char *name, struct err *err);

// `entry` speaks of the folder. Its time is set at the end, because making the files in it changes it, and so
// is its default access list, because they would inherit that.
int tree_remember_folder(struct tree *tree, const char *name, const struct tar_entry *entry, struct err *err);
// A whiteout speaks of the folder, which this layer has as well.
int tree_remember_whiteout(struct tree *tree, const char *name, struct err *err);
// The root's time, where no entry speaks of it.
int tree_remember_root(struct tree *tree, struct err *err);
// Sets what has waited, and marks the folders that are only implied; the root never is.
int tree_finish(struct tree *tree, struct err *err);

// Between tree.c and folders.c. Opens a path below `root` without leaving it; `resolve`: more of openat2(2).
#define TREE_NO_SYMLINKS 0x04
int tree_open_at(int root, const char *path, int flags, uint64_t resolve);
// Allocated; NULL with `err`.
char *tree_real_path(const struct tree *tree, int folder, struct err *err);
// A folder that no entry has told of. `anew`: in the place of a whiteout.
int tree_remember_implied(struct tree *tree, int folder, bool anew, struct err *err);
