#include "unpack/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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
enum { NO_MAGICLINKS = 0x02, IN_ROOT = 0x10 };

int tree_open_at(int root, const char *path, int flags, uint64_t resolve) {
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

// Takes away the last component of a path of `used` bytes; returns how many are left. By the text alone, as
// other programs that unpack layers do: no link is followed.
static size_t leave_last(struct tree_path *clean, size_t used) {
    do
        used--;
    while (used > 0 && clean->path[used] != '/');
    size_t start = used;
    while (start > 0 && clean->path[start - 1] != '/')
        start--;
    clean->name = clean->path + start;
    return used;
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
        if (part > NAME_MAX)
            return err_plain(err, FAILURE_REFUSED, "a component of the path is longer than 255 bytes", "");
        if (part == 2 && at[0] == '.' && at[1] == '.') {
            if (depth == 0)
                return err_plain(err, FAILURE_REFUSED, "the path leads out by '..'", "");
            used = leave_last(clean, used);
            depth--;
        } else if (part > 0 && !(part == 1 && at[0] == '.')) {
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
char *tree_real_path(const struct tree *tree, int folder, struct err *err) {
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
    cleanup_fd int folder = tree_open_at(tree->root, "", O_PATH | O_DIRECTORY, 0);
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
        folder = tree_open_at(tree->root, path, O_PATH | O_DIRECTORY, 0);
        if (folder < 0)
            return err_sys(err, "open the folder", path);
        if (made > THERE && fchownat(folder, "", tree->uid, tree->gid, AT_EMPTY_PATH) < 0)
            return err_sys(err, "set the owner", path);
        if (made > THERE && tree_remember_implied(tree, folder, made == MADE_ANEW, err) < 0)
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
    cleanup_fd int folder = tree_open_at(tree->root, wanted, O_PATH | O_DIRECTORY, 0);
    // ENOTDIR: perhaps a whiteout.
    if (folder < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        if (make_folders(tree, wanted, err) < 0)
            return -1;
        folder = tree_open_at(tree->root, wanted, O_PATH | O_DIRECTORY, 0);
    }
    if (folder < 0)
        return err_sys(err, "open the folder", wanted);
    tree->parent_real = tree_real_path(tree, folder, err);
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
    int folder = tree_open_at(tree->root, wanted, O_PATH | O_DIRECTORY, 0);
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
