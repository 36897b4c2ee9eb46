// Remembers the folders of a tree whose time and attributes have to wait until everything in them is there.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attributes/access_list.h"
#include "attributes/attributes.h"
#include "cleanup.h"
#include "overlay/marker.h"
#include "unpack/tree.h"

static int remember(struct tree *tree, const char *parent, const char *name, struct tree_folder folder,
                    struct err *err) {
    if ((tree->folder_count & (tree->folder_count - 1)) == 0) {
        size_t room = tree->folder_count == 0 ? 1 : tree->folder_count * 2;
        struct tree_folder *grown = reallocarray(tree->folders, room, sizeof *grown);
        if (grown == NULL)
            return err_sys(err, "remember a folder", "");
        tree->folders = grown;
    }
    size_t length = strlen(parent) + 1 + strlen(name) + 1;
    folder.path = malloc(length);
    if (folder.path == NULL)
        return err_sys(err, "remember a folder", "");
    const char *slash = parent[0] != '\0' && name[0] != '\0' ? "/" : "";
    (void)strcat(strcat(strcpy(folder.path, parent), slash), name);
    folder.order = tree->folder_count;
    tree->folders[tree->folder_count++] = folder;
    return 0;
}

int tree_remember_implied(struct tree *tree, int folder, bool anew, struct err *err) {
    cleanup_free char *real = tree_real_path(tree, folder, err);
    const struct tree_folder implied = {.mtime = tree->implied, .implied = !anew};
    return real == NULL ? -1 : remember(tree, real, "", implied, err);
}

int tree_remember_folder(struct tree *tree, const char *name, const struct tar_entry *entry,
                         struct err *err) {
    if (remember(tree, tree->parent_real, name, (struct tree_folder){.mtime = entry->mtime}, err) < 0)
        return -1;
    struct tree_folder *folder = &tree->folders[tree->folder_count - 1];
    for (size_t index = 0; index < entry->xattr_count; index++) {
        const struct tar_xattr *list = &entry->xattrs[index];
        if (strcmp(list->name, DEFAULT_ACCESS_LIST) != 0)
            continue;
        if (folder->defaults == NULL)
            folder->defaults = calloc(1, sizeof *folder->defaults);
        if (folder->defaults == NULL || tar_entry_add_xattr(folder->defaults, list->name, strlen(list->name),
                                                            list->value, list->length) < 0)
            return err_sys(err, "remember a default access list", "");
        folder->defaults->host_ids = entry->host_ids;
    }
    return 0;
}

int tree_remember_whiteout(struct tree *tree, const char *name, struct err *err) {
    return remember(tree, tree->parent_real, name, (struct tree_folder){.anew = true}, err);
}

int tree_remember_root(struct tree *tree, struct err *err) {
    return remember(tree, "", "", (struct tree_folder){.mtime = tree->implied}, err);
}

static int by_path_and_order(const void *left, const void *right) {
    const struct tree_folder *one = left, *other = right;
    int path = strcmp(one->path, other->path);
    return path != 0 ? path : (one->order > other->order) - (one->order < other->order);
}

static int finish_folder(struct tree *tree, const struct tree_folder *known, struct err *err) {
    cleanup_fd int folder =
        tree_open_at(tree->root, known->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, TREE_NO_SYMLINKS);
    // A later entry may have put something else in the folder's place.
    if (folder < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return 0;
    if (folder < 0)
        return err_sys(err, "open the folder", known->path);
    if (known->implied && marker_ask_implied(tree->marker, folder, err) < 0)
        return -1;
    tree->implied_folders += known->implied ? 1 : 0;
    if (known->defaults != NULL && attributes_set_default(folder, known->defaults, err) < 0)
        return -1;
    struct timespec times[2] = {known->mtime, known->mtime};
    return futimens(folder, times) < 0 ? err_sys(err, "set the time of the folder", known->path) : 0;
}

// Of what was said of one folder the last counts, but that it has nothing to do with the one below stays
// true.
static struct tree_folder last_word(const struct tree *tree, size_t first, size_t end) {
    struct tree_folder known = tree->folders[first];
    bool anew = known.anew;
    for (size_t index = first + 1; index < end; index++) {
        const struct tree_folder *next = &tree->folders[index];
        anew = anew || next->anew;
        if (!next->anew)
            known = *next;
    }
    known.implied = known.implied && !anew;
    return known;
}

int tree_finish(struct tree *tree, struct err *err) {
    if (tree->folder_count > 1)
        qsort(tree->folders, tree->folder_count, sizeof *tree->folders, by_path_and_order);
    for (size_t first = 0, end; first < tree->folder_count; first = end) {
        for (end = first + 1; end < tree->folder_count; end++)
            if (strcmp(tree->folders[first].path, tree->folders[end].path) != 0)
                break;
        const struct tree_folder known = last_word(tree, first, end);
        if (finish_folder(tree, &known, err) < 0)
            return -1;
    }
    return 0;
}
