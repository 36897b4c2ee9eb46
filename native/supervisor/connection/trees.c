// Shows in a view what it has of the sandbox. The sandbox's own paths are walked inside its mount namespace
// and never lead out of it; what is found there is only ever attached to places of ours.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "connection/make.h"
#include "sys.h"

// The account's home, and the same tree at the home's path inside.
#define FIRST_HOME 4u

// What stays ours, or the host's, whatever an account's home is: nothing that a user writes may lie above it.
static bool is_above_ours(const char *path, const struct parts *parts) {
    const char *const ours[] = {"/etc",     "/.etc",    "/usr",
                                "/bin",     "/sbin",    "/lib",
                                "/proc",    "/sys",     "/dev/pts",
                                "/var/log", "/var/run", "/run/systemd/journal",
                                "/var/lib", parts->run, parts->client_folder};
    if (path[0] != '/' || path[1] == '\0')
        return true;
    for (size_t index = 0; index < sizeof ours / sizeof ours[0]; index++)
        if (parts_is_in(ours[index], path))
            return true;
    return false;
}

void view_paths(struct view_trees *trees, uid_t uid, const struct parts *parts) {
    (void)snprintf(trees->user, sizeof trees->user, "/run/user/%u", uid);
    const char *const paths[VIEW_TREES] = {"/tmp",      "/var/tmp",  "/dev/shm",
                                           trees->user, parts->home, parts->home_inside};
    for (size_t index = 0; index < VIEW_TREES; index++) {
        trees->trees[index] = CLOSED_FD;
        trees->paths[index] = paths[index];
        // A tree is shown with all that is mounted in it: a home below /tmp, or the same one twice.
        for (size_t before = 0; before < index && trees->paths[index] != NULL; before++)
            if (trees->paths[before] != NULL && parts_is_in(paths[index], trees->paths[before]))
                trees->paths[index] = NULL;
        if (index >= FIRST_HOME && is_above_ours(paths[index], parts))
            trees->paths[index] = NULL;
    }
}

bool view_is_sandbox(const struct view_trees *trees, const char *path) {
    for (size_t index = 0; index < VIEW_TREES; index++)
        if (trees->paths[index] != NULL && parts_is_in(path, trees->paths[index]))
            return true;
    return false;
}

// Without setuid programs, devices and programs at all: sshd starts none from there. Private: what is mounted
// inside later stays inside.
static int take_tree(const char *path) {
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    struct sys_mount_attr attr = {.attr_set =
                                      SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NODEV | SYS_MOUNT_ATTR_NOEXEC,
                                  .propagation = MS_PRIVATE};
    cleanup_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    cleanup_fd int found = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    if (found < 0)
        return CLOSED_FD;
    cleanup_fd int tree =
        sys_open_tree(found, "", AT_EMPTY_PATH | SYS_OPEN_TREE_CLONE | O_CLOEXEC | SYS_AT_RECURSIVE);
    if (tree < 0 || sys_mount_setattr(tree, "", AT_EMPTY_PATH | SYS_AT_RECURSIVE, &attr) != 0)
        return CLOSED_FD;
    return take_fd(&tree);
}

// What can't be had is left out: it is the user's own loss. From a copy of the sandbox's mount namespace that
// is the host's: a tree that is cloned counts as a mount namespace of its owner's, and the sandbox's may have
// none.
int view_take_sandbox(struct view_trees *trees, int init_pidfd, const struct parts *parts, struct err *err) {
    if (setns(init_pidfd, CLONE_NEWNS) != 0 || unshare(CLONE_NEWNS) != 0)
        return err_sys(err, "enter the sandbox's mount namespace", NULL);
    for (size_t index = 0; index < VIEW_TREES; index++) {
        if (trees->paths[index] != NULL)
            trees->trees[index] = take_tree(index >= FIRST_HOME ? parts->home_inside : trees->paths[index]);
    }
    return 0;
}

// Last of all, and none below another: no path is walked, and nothing mounted on, that the sandbox has a say
// in.
void view_attach_sandbox(struct view_trees *trees, int root) {
    for (size_t index = 0; index < VIEW_TREES; index++) {
        cleanup_fd int tree = take_fd(&trees->trees[index]);
        cleanup_fd int point = tree >= 0 ? view_point(root, trees->paths[index], true) : CLOSED_FD;
        if (point >= 0)
            (void)sys_move_mount(tree, "", point, "",
                                 SYS_MOVE_MOUNT_F_EMPTY_PATH | SYS_MOVE_MOUNT_T_EMPTY_PATH);
    }
}
