#include "connection/make.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "sys.h"

// Enough for copies of /etc/passwd and /etc/group; only what is written takes memory.
#define ROOT_OPTIONS "mode=0755,size=32m,nr_inodes=16k"

static int open_of(pid_t pid, const char *name, struct err *err) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : err_sys(err, "open the sandbox's namespace", name);
}

// The host's mount namespace, as a copy of its own: nothing that is done from here on is seen anywhere else,
// and what the host unmounts goes here too. Then the view's root, over a folder that nothing more is taken
// from.
static int own_root(int monitor, struct err *err) {
    if (setns(monitor, CLONE_NEWNS) != 0)
        return err_sys(err, "enter the mount namespace of sshd", NULL);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
        return err_sys(err, "make a mount namespace", NULL);
    if (mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, ROOT_OPTIONS) != 0)
        return err_sys(err, "mount the view's root", NULL);
    int root = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return root >= 0 ? root : err_sys(err, "open the view's root", NULL);
}

// pivot_root(".", ".") stacks the old root over the new one; detaching it leaves no name of it.
static int enter_root(int root, struct err *err) {
    struct sys_mount_attr attr = {.attr_set = SYS_MOUNT_ATTR_RDONLY};
    cleanup_fd int dev = openat(root, "dev", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sys_mount_setattr(root, "", AT_EMPTY_PATH, &attr) != 0 ||
        sys_mount_setattr(dev, "", AT_EMPTY_PATH, &attr) != 0)
        return err_sys(err, "make the view read-only", NULL);
    if (fchdir(root) != 0 || sys_pivot_root(".", ".") != 0 || umount2(".", MNT_DETACH) != 0 ||
        chdir("/") != 0)
        return err_sys(err, "pivot_root", NULL);
    return 0;
}

static int build(const struct view_maker *maker, int namespaces[3], struct err *err) {
    struct view_trees trees;
    view_paths(&trees, maker->spec->uid, maker->parts);
    if (view_is_sandbox(&trees, maker->parts->run) || view_is_sandbox(&trees, maker->parts->client_folder))
        return err_plain(err, FAILURE_SYSTEM, "dockersh is in a folder that is the sandbox's in there",
                         maker->parts->client_folder);
    cleanup_fd int own = open("/proc/self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC);
    namespaces[1] = open_of(maker->init_pid, "net", err);
    namespaces[2] = namespaces[1] < 0 ? -1 : open_of(maker->init_pid, "uts", err);
    if (own < 0 || namespaces[2] < 0)
        return own < 0 ? err_sys(err, "open folder", "/proc/self/ns") : -1;
    if (view_take_sandbox(&trees, maker->init_pidfd, maker->parts, err) != 0)
        return -1;
    cleanup_fd int root = own_root(maker->monitor, err);
    if (root < 0)
        return -1;
    namespaces[0] = openat(own, "mnt", O_RDONLY | O_CLOEXEC);
    if (namespaces[0] < 0)
        return err_sys(err, "open the view", NULL);
    (void)umask(0);
    if (view_add_host(root, maker->parts, err) != 0 || view_add_etc(root, maker, err) != 0)
        return -1;
    view_attach_sandbox(&trees, root);
    return enter_root(root, err);
}

_Noreturn void view_make(const struct view_maker *maker) {
    struct err err = {0};
    int namespaces[3] = {CLOSED_FD, CLOSED_FD, CLOSED_FD};
    uint8_t bytes[1024];
    char text[400];
    struct wire_writer writer;
    (void)prctl(PR_SET_NAME, "dockersh-view");
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (build(maker, namespaces, &err) == 0) {
        wire_start(&writer, bytes, sizeof bytes, MSG_JOINED);
        (void)wire_send(maker->answer, bytes, wire_finish(&writer, 3), namespaces, 3);
        _exit(0);
    }
    err_text(&err, text, sizeof text);
    wire_start(&writer, bytes, sizeof bytes, MSG_FAILED);
    wire_put_text(&writer, TAG_TEXT, text);
    (void)wire_send(maker->answer, bytes, wire_finish(&writer, 0), NULL, 0);
    _exit(1);
}

_Noreturn void view_detach(int view, uid_t uid, const struct parts *parts) {
    struct view_trees trees;
    view_paths(&trees, uid, parts);
    (void)prctl(PR_SET_NAME, "dockersh-view");
    if (setns(view, CLONE_NEWNS) == 0) {
        for (size_t index = 0; index < VIEW_TREES; index++)
            if (trees.paths[index] != NULL)
                (void)umount2(trees.paths[index], MNT_DETACH | UMOUNT_NOFOLLOW);
    }
    _exit(0);
}
