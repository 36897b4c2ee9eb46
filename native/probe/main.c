// dockersh-probe: tries the kernel for "dockershctl doctor". It does once, on the file system of the given
// folder, what a sandbox's start does, and tells what came of it.
//
//   dockersh-probe FOLDER CGROUP     one JSON line a probe on stdout; 0 whatever the probes say
//
// Runs as root, in a mount namespace of its own, and takes no input but that folder of root's. Every probe
// is a child, so that none can spoil the next one. None has a capability that it does not need, starts a
// program, or reaches a socket or another process; those that mount nothing reach no other file either.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "confine.h"
#include "err.h"
#include "sys.h"
#include "wall.h"

// The range that a probe's user namespace has: one that no user is ever given (src/isolation/ids.ts).
#define PROBE_ID_MAP "0 4294836224 65536\n"

static const char *folder;

static int write_file(const char *path, const char *text) {
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

// Lives until `life` is closed: there is no signal that may be sent.
static pid_t new_namespace_child(int *life, struct err *err) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_sys(err, "make a pipe", "");
    cleanup_fd int end = ends[0];
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) {
        char byte;
        (void)close(ends[1]);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)!read(end, &byte, 1);
        _exit(0);
    }
    *life = ends[1];
    return child < 0 ? err_sys(err, "make a user namespace", "") : child;
}

static int write_map(pid_t child, const char *name, struct err *err) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)child, name);
    return write_file(path, PROBE_ID_MAP) != 0 ? err_sys(err, "write", name) : 0;
}

// A user namespace with the ids of a sandbox's kind, as a descriptor.
static int user_namespace(struct err *err) {
    cleanup_fd int life = CLOSED_FD;
    pid_t child = new_namespace_child(&life, err);
    if (child < 0)
        return -1;
    int fd = -1;
    if (write_map(child, "uid_map", err) == 0 && write_map(child, "gid_map", err) == 0) {
        char path[64];
        (void)snprintf(path, sizeof path, "/proc/%d/ns/user", (int)child);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            (void)err_sys(err, "open", "ns/user");
    }
    close_fd_at(&life);
    (void)waitpid(child, NULL, 0);
    return fd;
}

static int probe_userns(struct err *err) {
    cleanup_fd int namespace = user_namespace(err);
    return namespace < 0 ? -1 : 0;
}

static int probe_namespaces(struct err *err) {
    const int flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
    return unshare(flags) != 0 ? err_sys(err, "unshare", "") : 0;
}

static int probe_mount_api(struct err *err) {
    cleanup_fd int tree = sys_open_tree(AT_FDCWD, folder, SYS_OPEN_TREE_CLONE | O_CLOEXEC);
    if (tree < 0)
        return err_sys(err, "open_tree", "");
    struct sys_mount_attr attr = {.attr_set = SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_RDONLY};
    if (sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) != 0)
        return err_sys(err, "mount_setattr", "");
    if (sys_move_mount(tree, "", AT_FDCWD, folder, SYS_MOVE_MOUNT_F_EMPTY_PATH) != 0)
        return err_sys(err, "move_mount", "");
    return 0;
}

static int probe_idmap(struct err *err) {
    cleanup_fd int namespace = user_namespace(err);
    if (namespace < 0)
        return -1;
    cleanup_fd int tree = sys_open_tree(AT_FDCWD, folder, SYS_OPEN_TREE_CLONE | O_CLOEXEC);
    if (tree < 0)
        return err_sys(err, "open_tree", "");
    struct sys_mount_attr attr = {.attr_set = SYS_MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t) namespace};
    return sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) != 0 ? err_sys(err, "map ids", "") : 0;
}

// With the options of a sandbox's overlay (native/supervisor/rootfs/rootfs.c), and written to once.
static int probe_overlay(struct err *err) {
    static const char options[] =
        "lowerdir=lower,upperdir=upper,workdir=work,index=off,metacopy=off,redirect_dir=off";
    if (chdir(folder) != 0)
        return err_sys(err, "enter", "");
    if (mount("overlay", "merged", "overlay", MS_NOSUID | MS_NODEV, options) != 0)
        return err_sys(err, "mount overlay", "");
    // Where the upper file system lacks what overlayfs needs, the mount may be there and read-only.
    cleanup_fd int file = open("merged/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int result = file < 0 ? err_sys(err, "create a file", "") : 0;
    (void)umount2("merged", MNT_DETACH);
    (void)unlink("upper/file");
    return result;
}

static int probe_filters(struct err *err) {
    unsigned action = SECCOMP_RET_ERRNO;
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0)
        return err_sys(err, "seccomp", "");
    return 0;
}

static int probe_pidfd(struct err *err) {
    cleanup_fd int process = sys_pidfd_open(getpid());
    if (process < 0)
        return err_sys(err, "pidfd_open", "");
    // A namespace is entered by this descriptor from kernel 5.8 on; one's own network is always allowed.
    return setns(process, CLONE_NEWNET) != 0 ? err_sys(err, "setns", "") : 0;
}

static int probe_openat2(struct err *err) {
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    cleanup_fd int fd = (int)syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how);
    return fd < 0 ? err_sys(err, "openat2", "") : 0;
}

static int probe_close_range(struct err *err) {
    return sys_close_range(1000, 1001, SYS_CLOSE_RANGE_CLOEXEC) != 0 ? err_sys(err, "close_range", "") : 0;
}

// Into a cgroup that is nobody's: the folder that the caller made for it, "-" where there is no cgroup v2.
static const char *cgroup;

static int probe_cgroup_clone(struct err *err) {
    cleanup_fd int target = open(cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (target < 0)
        return err_sys(err, "open", cgroup);
    struct sys_clone_args args = {
        .flags = SYS_CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)target};
    pid_t child = sys_clone3(&args);
    if (child == 0)
        _exit(0);
    if (child < 0)
        return err_sys(err, "clone3", "");
    (void)waitpid(child, NULL, 0);
    return 0;
}

static const struct probe {
    const char *name;
    int (*run)(struct err *err);
    bool mounts; // makes mounts or namespaces, or uses /proc
} probes[] = {
    {"userns", probe_userns, true},
    {"namespaces", probe_namespaces, true},
    {"mount-api", probe_mount_api, true},
    {"idmap", probe_idmap, true},
    {"overlay", probe_overlay, true},
    {"seccomp", probe_filters, false},
    {"pidfd", probe_pidfd, true},
    {"openat2", probe_openat2, false},
    {"close-range", probe_close_range, false},
    {"cgroup-clone", probe_cgroup_clone, false},
};

// What is mounted from then on, nobody else sees.
static int enter_mounts(struct err *err) {
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return err_sys(err, "make a mount namespace", "");
    return 0;
}

// Where the kernel has none, that is to be told, and what else it lacks.
static bool has_filters(struct err *err) {
    return probe_filters(err) == 0;
}

// Whoever maps ids of the host's has CAP_SETUID and CAP_SETGID (user_namespaces(7)); overlayfs makes a folder
// that nobody may enter; and what a probe gives up of it beyond that takes CAP_SETPCAP.
static int enclose(struct err *err) {
    static const uint64_t keep = CAP_BIT(CAPABILITY_SYS_ADMIN) | CAP_BIT(CAPABILITY_SETUID) |
                                 CAP_BIT(CAPABILITY_SETGID) | CAP_BIT(CAPABILITY_DAC_OVERRIDE) |
                                 CAP_BIT(CAPABILITY_SETPCAP);
    if (enter_mounts(err) != 0 || confine_drop(keep, err) != 0)
        return -1;
    return has_filters(err) ? wall_calls(WALL_MOUNTS, err) : 0;
}

static int enclose_probe(const struct probe *probe, struct err *err) {
    if (enter_mounts(err) != 0)
        return -1;
    const struct wall_folder own = {.path = folder, .writable = true};
    if (probe->mounts || !has_filters(err))
        return 0;
    return confine_drop(0, err) != 0 ? -1 : wall_build(&own, 1, err);
}

static _Noreturn void run_probe(const struct probe *probe) {
    struct err err = {0};
    char text[300] = "";
    bool works = enclose_probe(probe, &err) == 0 && probe->run(&err) == 0;
    if (!works)
        err_text(&err, text, sizeof text);
    for (char *at = text; *at != '\0'; at++)
        if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ')
            *at = '\'';
    (void)printf("{\"probe\":\"%s\",\"works\":%s,\"text\":\"%s\"}\n", probe->name, works ? "true" : "false",
                 text);
    (void)fflush(stdout);
    _exit(0);
}

static int start(const struct probe *probe) {
    pid_t child = fork();
    if (child == 0)
        run_probe(probe);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return -1;
    if (WIFSIGNALED(status)) // a filter above us that kills
        (void)printf("{\"probe\":\"%s\",\"works\":false,\"text\":\"ended by signal %d\"}\n", probe->name,
                     WTERMSIG(status));
    return fflush(stdout);
}

int main(int argc, char **argv) {
    char path[PATH_MAX];
    static const char *const parts[] = {"lower", "upper", "work", "merged"};
    if (argc != 3 || snprintf(path, sizeof path, "%s/.probe-XXXXXX", argv[1]) >= (int)sizeof path) {
        (void)fprintf(stderr, "usage: dockersh-probe FOLDER CGROUP\n");
        return 64;
    }
    cgroup = argv[2];
    folder = mkdtemp(path);
    if (folder == NULL || chdir(folder) != 0) {
        (void)fprintf(stderr, "dockersh-probe: %s: %s\n", argv[1], strerror(errno));
        return 73;
    }
    for (size_t index = 0; index < sizeof parts / sizeof *parts; index++)
        (void)mkdir(parts[index], 0700);
    struct err err = {0};
    int failed = enclose(&err);
    if (failed != 0) {
        char text[300];
        err_text(&err, text, sizeof text);
        (void)fprintf(stderr, "dockersh-probe: %s\n", text);
    }
    for (size_t index = 0; failed == 0 && index < sizeof probes / sizeof *probes; index++)
        failed |= start(&probes[index]);
    // What overlayfs makes in its work folder.
    (void)rmdir("work/work");
    for (size_t index = 0; index < sizeof parts / sizeof *parts; index++)
        (void)rmdir(parts[index]);
    (void)chdir("/");
    if (rmdir(folder) != 0)
        (void)fprintf(stderr, "dockersh-probe: %s stays: %s\n", folder, strerror(errno));
    return failed == 0 ? 0 : 71;
}
