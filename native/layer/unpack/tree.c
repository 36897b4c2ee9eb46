#include "unpack/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attributes/access_list.h"
#include "attributes/attributes.h"
#include "cleanup.h"
#include "overlay/marker.h"
#include "overlay/overlay.h"
#include "report.h"
#include "walk/remove.h"

// linux/openat2.h
struct open_how_v0 {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};
enum { NO_MAGICLINKS = 0x02, NO_SYMLINKS = 0x04, IN_ROOT = 0x10 };

static int open_in_root(int root, const char *path, int flags, uint64_t resolve) {
    struct open_how_v0 how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                              .resolve = resolve | IN_ROOT | NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path[0] != '\0' ? path : ".", &how, sizeof how);
}

void tree_open(struct tree *tree, int root, int marker, const struct limits *limits) {
    *tree = (struct tree){.root = root, .marker = marker, .limits = limits, .parent = CLOSED_FD};
}

static void forget_parent(struct tree *tree) {
    close_fd_at(&tree->parent);
    free(tree->parent_path);
    free(tree->parent_real);
    tree->parent_path = NULL;
    tree->parent_real = NULL;
}

void tree_close(struct tree *tree) {
    forget_parent(tree);
    for (size_t index = 0; index < tree->folder_count; index++) {
        struct tree_folder *folder = &tree->folders[index];
        free(folder->path);
        if (folder->defaults != NULL)
            tar_entry_clear(folder->defaults);
        free(folder->defaults);
    }
    free(tree->folders);
}

void tree_path_clear(struct tree_path *path) {
    free(path->path);
    *path = (struct tree_path){0};
}

int tree_clean(const struct tree *tree, const char *path, struct tree_path *clean, struct err *err) {
    size_t length = strlen(path);
    if (length > tree->limits->max_path)
        return err_plain(err, FAILURE_EXCESS, "the path is longer than the limit allows", "");
    clean->path = malloc(length + 1);
    if (clean->path == NULL)
        return err_sys(err, "remember a path", "");
    size_t used = 0;
    uint64_t depth = 0;
    clean->name = clean->path;
    for (const char *at = path; *at != '\0';) {
        size_t part = strcspn(at, "/");
        if (part == 2 && at[0] == '.' && at[1] == '.')
            return err_plain(err, FAILURE_REFUSED, "the path holds '..'", "");
        if (part > NAME_MAX)
            return err_plain(err, FAILURE_REFUSED, "a component of the path is longer than 255 bytes", "");
        if (part > 0 && !(part == 1 && at[0] == '.')) {
            if (used > 0)
                clean->path[used++] = '/';
            clean->name = clean->path + used;
            memcpy(clean->path + used, at, part);
            used += part;
            depth++;
        }
        at += part;
        at += strspn(at, "/");
    }
    clean->path[used] = '\0';
    if (depth > tree->limits->max_depth)
        return err_plain(err, FAILURE_EXCESS, "the path is deeper than the limit allows", "");
    return 0;
}

int tree_count(struct tree *tree, struct err *err) {
    if (++tree->entries > tree->limits->max_entries)
        return err_plain(err, FAILURE_EXCESS, "the archive has more entries than the limit allows", "");
    return 0;
}

static char *parent_of(const struct tree_path *path) {
    size_t length = (size_t)(path->name - path->path);
    return strndup(path->path, length > 0 ? length - 1 : 0);
}

// Where the folder really is. Links can make a short path lead deep down, and such a tree could
// neither be walked nor removed by path: its real path obeys the limit as well.
static char *real_path(const struct tree *tree, int folder, struct err *err) {
    char path[PATH_MAX];
    if (fchdir(folder) < 0 || getcwd(path, sizeof path) == NULL) {
        (void)err_sys(err, "find the real path of the folder", "");
        return NULL;
    }
    uint64_t depth = 0;
    for (const char *at = path; *at != '\0'; at++)
        depth += *at == '/' ? 1 : 0;
    if (strlen(path) > tree->limits->max_path || depth > tree->limits->max_depth) {
        (void)err_plain(err, FAILURE_REFUSED, "too long or too deep a path once its links are followed", "");
        return NULL;
    }
    char *real = strdup(path[0] == '/' ? path + 1 : path);
    if (real == NULL)
        (void)err_sys(err, "remember a path", "");
    return real;
}

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

static int remember_implied(struct tree *tree, int folder, bool anew, struct err *err) {
    cleanup_free char *real = real_path(tree, folder, err);
    const struct tree_folder implied = {.mtime = tree->implied, .implied = !anew};
    return real == NULL ? -1 : remember(tree, real, "", implied, err);
}

enum { THERE = 0, MADE = 1, MADE_ANEW = 2 };

// A folder in the place of a whiteout hides what is below, as that did.
static int replace_whiteout(struct tree *tree, int parent, const char *name, struct err *err) {
    struct stat info;
    if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(err, "stat", name);
    if (!overlay_is_whiteout(&info))
        return THERE;
    if (unlinkat(parent, name, 0) < 0 || mkdirat(parent, name, 0755) < 0)
        return err_sys(err, "make the folder", name);
    cleanup_fd int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return err_sys(err, "open the folder", name);
    return marker_ask_opaque(tree->marker, folder, err) < 0 ? -1 : MADE_ANEW;
}

static int make_implied(struct tree *tree, int parent, const char *name, struct err *err) {
    int made = MADE;
    if (mkdirat(parent, name, 0755) < 0)
        made = errno == EEXIST ? replace_whiteout(tree, parent, name, err)
                               : err_sys(err, "make the folder", name);
    return made > THERE && tree_count(tree, err) < 0 ? -1 : made;
}

// Makes every folder of `path` that is missing. What stands in the way (a file, a link to nowhere) is
// left alone: opening the path again then says what it is.
static int make_folders(struct tree *tree, char *path, struct err *err) {
    cleanup_fd int folder = open_in_root(tree->root, "", O_PATH | O_DIRECTORY, 0);
    if (folder < 0)
        return err_sys(err, "open the root of the tree", "");
    for (char *at = path; *at != '\0';) {
        size_t part = strcspn(at, "/");
        char separator = at[part];
        at[part] = '\0';
        int made = make_implied(tree, folder, at, err);
        if (made < 0)
            return -1;
        close_fd_at(&folder);
        folder = open_in_root(tree->root, path, O_PATH | O_DIRECTORY, 0);
        if (folder < 0)
            return err_sys(err, "open the folder", path);
        if (made > THERE && remember_implied(tree, folder, made == MADE_ANEW, err) < 0)
            return -1;
        at[part] = separator;
        at += part;
        at += strspn(at, "/");
    }
    return 0;
}

int tree_parent(struct tree *tree, const struct tree_path *path, struct err *err) {
    cleanup_free char *wanted = parent_of(path);
    if (wanted == NULL)
        return err_sys(err, "remember a path", "");
    if (!tree->stale && tree->parent_path != NULL && strcmp(tree->parent_path, wanted) == 0)
        return tree->parent;
    forget_parent(tree);
    tree->stale = false;
    cleanup_fd int folder = open_in_root(tree->root, wanted, O_PATH | O_DIRECTORY, 0);
    // ENOTDIR: perhaps a whiteout.
    if (folder < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        if (make_folders(tree, wanted, err) < 0)
            return -1;
        folder = open_in_root(tree->root, wanted, O_PATH | O_DIRECTORY, 0);
    }
    if (folder < 0)
        return err_sys(err, "open the folder", wanted);
    tree->parent_real = real_path(tree, folder, err);
    if (tree->parent_real == NULL)
        return -1;
    tree->parent_path = wanted;
    wanted = NULL;
    tree->parent = take_fd(&folder);
    return tree->parent;
}

int tree_find_parent(const struct tree *tree, const struct tree_path *path, struct err *err) {
    cleanup_free char *wanted = parent_of(path);
    if (wanted == NULL)
        return err_sys(err, "remember a path", "");
    int folder = open_in_root(tree->root, wanted, O_PATH | O_DIRECTORY, 0);
    return folder >= 0 ? folder : err_sys(err, "open the folder", wanted);
}

int tree_remove(struct tree *tree, int parent, const char *name, struct err *err) {
    // What goes may be a link, or hold one, that the remembered parent was found through.
    tree->stale = true;
    if (unlinkat(parent, name, 0) == 0)
        return 0;
    if (errno != EISDIR)
        return err_sys(err, "replace", name);
    return tree_remove_all(parent, name, err);
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
        open_in_root(tree->root, known->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, NO_SYMLINKS);
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
