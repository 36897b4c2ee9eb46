#include "start/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "asked/listen.h"
#include "books/books.h"
#include "cleanup.h"
#include "rootfs/devpts.h"
#include "rootfs/in_root.h"
#include "start/control_groups.h"
#include "start/lockdown.h"
#include "start/masks.h"
#include "start/step.h"
#include "sys.h"

#define INIT_PEER_FD 3

static int become_root(struct err *err) {
    // Only an id that is mapped can own what is made from now on; otherwise EOVERFLOW.
    if (setgroups(0, NULL) != 0 || setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0)
        return err_sys(err, "become root of the user namespace", NULL);
    // After the ids: changing them clears it (prctl(2)). The sandbox never outlives its supervisor.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_sys(err, "prctl", NULL);
    return 0;
}

static int raise_loopback(struct err *err) {
    cleanup_fd int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    if (socket_fd < 0 || ioctl(socket_fd, SIOCSIFFLAGS, &request) != 0)
        return err_sys(err, "raise loopback", NULL);
    return 0;
}

static int own_namespaces(const struct spec *spec, struct err *err) {
    int flags =
        CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | (spec->network == NET_HOST ? 0 : CLONE_NEWNET);
    if (unshare(flags) != 0)
        return err_sys(err, "make namespaces", NULL);
    if (sethostname(spec->hostname, strlen(spec->hostname)) != 0)
        return err_sys(err, "set host name", spec->hostname);
    return spec->network == NET_HOST ? 0 : raise_loopback(err);
}

// sysfs belongs to the network namespace's owner: the host's network has the host's, which the supervisor has
// mounted already.
static int mount_sysfs(const struct spec *spec, int root, struct err *err) {
    if (spec->network == NET_HOST)
        return 0;
    return mount_in_root(root, "sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, err);
}

// A folder below /run that programs expect everybody to write in, as systemd-tmpfiles would make it. Nothing
// is there yet that could lead elsewhere: whoever fills /run comes later.
static int make_run_folder(int run, const char *path, struct err *err) {
    char name[256];
    if ((size_t)snprintf(name, sizeof name, "%s", path) >= sizeof name || name[0] == '/' ||
        strstr(name, "..") != NULL)
        return err_plain(err, FAILURE_PROTOCOL, "not a folder below /run", path);
    for (char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdirat(run, name, 0755);
        *slash = '/';
    }
    if ((mkdirat(run, name, 01777) != 0 && errno != EEXIST) || fchmodat(run, name, 01777, 0) != 0)
        return err_sys(err, "make folder below /run", name);
    return 0;
}

// Where the sandbox's processes ask; the supervisor's from the last step on.
static int asked = CLOSED_FD;

static int fill_run(const struct spec *spec, int root, struct err *err) {
    cleanup_fd int run = open_in_root(root, "run", err);
    if (run < 0)
        return -1;
    char name[32];
    (void)snprintf(name, sizeof name, "user/%u", spec->uid);
    if (mkdirat(run, "lock", 01777) != 0 || fchmodat(run, "lock", 01777, 0) != 0 ||
        mkdirat(run, "user", 0755) != 0 || mkdirat(run, name, 0700) != 0 ||
        fchownat(run, name, spec->uid, spec->gid, 0) != 0)
        return err_sys(err, "fill /run", NULL);
    for (size_t index = 0; index < spec->run_folder_count; index++)
        if (make_run_folder(run, spec->run_folders[index], err) != 0)
            return -1;
    books_make(run, spec->uid, spec->gid);
    return asked_listen(run, &asked, err);
}

// Bounds on what the kernel counts for each id in a user namespace. All ids together have no more than what
// the host gives the one id that owns the namespace (spawner.c). Namespaces are bounded here as the policy
// says, so that the filter is not the only defence. Watches are as many as large editors ask for.
static const struct bound {
    const char *file, *most, *nesting;
} bounds[] = {
    {"max_user_namespaces", "0", "128"},
    {"max_net_namespaces", "0", "128"},
    {"max_pid_namespaces", "0", "256"},
    {"max_uts_namespaces", "0", "256"},
    {"max_ipc_namespaces", "0", "256"},
    {"max_cgroup_namespaces", "0", "256"},
    {"max_time_namespaces", "0", "256"},
    {"max_inotify_instances", "1024", "1024"},
    {"max_inotify_watches", "1048576", "1048576"},
    {"max_fanotify_groups", "128", "128"},
    {"max_fanotify_marks", "1048576", "1048576"},
    // Last: the sandbox's own, and the masks, are made with what the kernel counts as mount namespaces.
    {"max_mnt_namespaces", "0", "256"},
};

#define ALL_BOUNDS (sizeof bounds / sizeof bounds[0])
#define EARLY_BOUNDS (ALL_BOUNDS - 1)

static int bound_counters(const struct spec *spec, int folder, size_t from, size_t to, struct err *err) {
    for (size_t index = from; index < to; index++) {
        const struct bound *bound = &bounds[index];
        const char *most = spec->freedom.nesting ? bound->nesting : bound->most;
        cleanup_fd int file = openat(folder, bound->file, O_WRONLY | O_CLOEXEC);
        if (file < 0 && errno == ENOENT) // what this kernel does not have, nobody can take
            continue;
        if (file < 0 || write(file, most, strlen(most)) < 0)
            return err_code(err, FAILURE_LIMIT, "bound what the kernel counts", bound->file);
    }
    return 0;
}

// All that can be bounded before there are mounts, while those are being made: every proc shows the opener's
// own counters, the host's too. Where that is read-only (the host is a container) the sandbox's is taken,
// later. How many are bound.
static size_t bound_early(const struct spec *spec) {
    struct err ignored = {0};
    cleanup_fd int folder = open("/proc/sys/user", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return folder >= 0 && bound_counters(spec, folder, 0, EARLY_BOUNDS, &ignored) == 0 ? EARLY_BOUNDS : 0;
}

// Sockets for ICMP echoes, for the user alone: what ping needs where it has no capability. It sends as far as
// the network's rules let it. A kernel or host that does not let us leaves the user without ping.
static void let_ping(const struct spec *spec, int root) {
    struct err ignored = {0};
    cleanup_fd int folder = open_in_root(root, "proc/sys/net/ipv4", &ignored);
    cleanup_fd int file = folder < 0 ? -1 : openat(folder, "ping_group_range", O_WRONLY | O_CLOEXEC);
    char range[32];
    int length = snprintf(range, sizeof range, "%u %u", spec->gid, spec->gid);
    if (file >= 0)
        (void)!write(file, range, (size_t)length);
}

static int own_mounts(const struct spec *spec, int root, size_t bound, struct err *err) {
    const unsigned long plain = MS_NOSUID | MS_NODEV;
    char size[64];
    (void)snprintf(size, sizeof size, "mode=1777,size=%llu", (unsigned long long)spec->shm_bytes);
    if (mount_in_root(root, "proc", "proc", plain | MS_NOEXEC, NULL, err) != 0)
        return -1;
    // The masks make it read-only, but not for a descriptor from before.
    cleanup_fd int counters = open_in_root(root, "proc/sys/user", err);
    if (counters < 0)
        return -1;
    if (spec->network != NET_HOST)
        let_ping(spec, root); // the masks make it read-only
    if (mount_sysfs(spec, root, err) != 0 || masks_add(spec, root, err) != 0 ||
        bound_counters(spec, counters, bound, ALL_BOUNDS, err) != 0 ||
        control_groups_mount(spec, root, err) != 0 || devpts_complete(root, err) != 0 ||
        mount_in_root(root, "dev/mqueue", "mqueue", plain | MS_NOEXEC, NULL, err) != 0 ||
        mount_in_root(root, "dev/shm", "tmpfs", plain, size, err) != 0)
        return -1;
    return fill_run(spec, root, err);
}

static int own_root(const struct spec *spec, size_t bound, struct err *err) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/r", spec->mountpoint);
    if (unshare(CLONE_NEWNS) != 0)
        return err_sys(err, "make mount namespace", NULL);
    // Inherited mounts are locked together in a namespace of another owner, and pivot_root refuses
    // one of them as its new root: the tree is bound onto itself first (mount_namespaces(7)).
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(path, path, NULL, MS_BIND | MS_REC, NULL) != 0)
        return err_sys(err, "bind root", path);
    cleanup_fd int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return err_sys(err, "open root", path);
    (void)umask(022);
    // proc first of all while the host's is in sight: the kernel lets a user namespace mount it only
    // where a whole one can be seen already.
    if (own_mounts(spec, root, bound, err) != 0)
        return -1;
    // pivot_root(".", ".") stacks the old root over the new one; detaching it leaves no name of it.
    if (fchdir(root) != 0 || sys_pivot_root(".", ".") != 0 || umount2(".", MNT_DETACH) != 0 ||
        chdir("/") != 0)
        return err_sys(err, "pivot_root", path);
    return 0;
}

static int build(const struct spec *spec, struct shared *shared, int peer, struct err *err) {
    if (step_wait(peer, MSG_BUILD, err) != 0) // the ids are mapped
        return -1;
    control_groups_note(spec);
    if (become_root(err) != 0 || own_namespaces(spec, err) != 0)
        return -1;
    shared->steps_ns[STEP_NETWORK] = monotonic_ns();
    if (spec->network == NET_PRIVATE && step_send(peer, MSG_STEP, -1, err) != 0)
        return -1;
    size_t bound = bound_early(spec);
    if (step_wait(peer, MSG_BUILD, err) != 0) // the root filesystem is mounted
        return -1;
    if (own_root(spec, bound, err) != 0)
        return -1;
    cleanup_fd int pts = open("/dev/pts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (pts < 0)
        return err_sys(err, "open devpts", NULL);
    shared->steps_ns[STEP_PIVOT] = monotonic_ns();
    // The spawner enters meanwhile. Nothing of the user's is started before both are locked down.
    if (step_send(peer, MSG_STEP, pts, err) != 0)
        return -1;
    static const struct freedom none = {0};
    if (lockdown(&none, &spec->filters, err) != 0)
        return -1;
    return step_send(peer, MSG_STEP, asked, err);
}

_Noreturn void inside_run(const struct spec *spec, struct shared *shared, int peer, int init_binary) {
    // What looks at processes must not take it for a supervisor until it is one no more.
    (void)prctl(PR_SET_NAME, "dockersh-init");
    if (build(spec, shared, peer, &shared->init_err) != 0)
        _exit(1);
    (void)setsid();
    // Everything goes at exec but the three standard descriptors, which are /dev/null, and the one by which
    // the supervisor says that it shall end (native/init/main.c).
    init_binary = fcntl(init_binary, F_DUPFD_CLOEXEC, INIT_PEER_FD + 1);
    peer = fcntl(peer, F_DUPFD_CLOEXEC, INIT_PEER_FD + 1);
    (void)dup2(peer, INIT_PEER_FD);
    (void)sys_close_range(INIT_PEER_FD + 1, ~0u, SYS_CLOSE_RANGE_CLOEXEC);
    char *const argv[] = {"init", NULL};
    char *const envp[] = {NULL};
    (void)sys_execveat(init_binary, "", argv, envp, AT_EMPTY_PATH);
    _exit(1);
}
