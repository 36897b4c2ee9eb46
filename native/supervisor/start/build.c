// Builds a sandbox from its specification. The order of steps, with the process that takes each:
//
//   supervisor               spawner (in the cgroup)      PID 1 (new user and PID namespace)
//   limits into the cgroup
//   MSG_BUILD with the spec > clone() PID 1              > waits
//   uid_map, gid_map         <  MSG_STEP
//   "mapped" ------------------------------------------ > network, UTS, IPC, cgroup namespace
//   layers, overlay, /dev, binds   (at the same time)
//   "mounted" ----------------------------------------- > mount namespace, proc … pivot_root, lockdown
//   a private network: link, rules   (at the same time)
//   keeps devpts             <--------------------------  MSG_STEP with devpts
//   MSG_ENTER with pidfd ---- > setns, lockdown           lockdown
//   the host's /usr (host_folders.h), numbers (figures.h): at the same time
//   both are locked down     <  MSG_STEP  <-------------  MSG_STEP with where processes ask; exec
//   dockersh-init ready
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "asked/asked.h"
#include "cgroup/delegate.h"
#include "cleanup.h"
#include "figures/figures.h"
#include "keep.h"
#include "rootfs/host_folders.h"
#include "rootfs/rootfs.h"
#include "start/spawner.h"
#include "start/step.h"
#include "supervisor.h"
#include "sys.h"
#include "sysinfo/sysinfo.h"

// Whoever waits for the sandbox is served by then: taking that many mounts down takes processors, and the
// kernel holds us up meanwhile.
#define DETACH_NS 50000000u

int spawner_start(struct supervisor *supervisor, int init_end, struct err *err) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return err_sys(err, "make a socket pair", NULL);
    cleanup_fd int ours = pair[0];
    cleanup_fd int theirs = pair[1];
    struct sys_clone_args args = {.exit_signal = SIGCHLD};
    cleanup_fd int cgroup = CLOSED_FD;
    bool started = supervisor->state != STATE_IDLE;
    if (cgroups_birth(&supervisor->cgroups, &supervisor->spec, started, &args, &cgroup, err) != 0)
        return -1;
    // A spawner that does not answer (its sandbox may be out of everything) must not hold us for ever.
    struct timeval patience = {.tv_sec = 10};
    if (setsockopt(ours, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
        setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
        return err_sys(err, "set how long the spawner is waited for", NULL);
    pid_t pid = sys_clone3(&args);
    if (pid == 0) {
        // One that replaces another makes no PID 1.
        int init_binary = init_end >= 0 ? supervisor->init_binary : CLOSED_FD;
        const int kept[] = {theirs, init_end, init_binary};
        // It lives as long as the sandbox: whatever else it kept open would be open for as long. That of a
        // login which is just being taken would never be seen to end.
        keep_only(kept, sizeof kept / sizeof kept[0]);
        struct spawner_ends ends = {
            .supervisor = theirs, .init = init_end, .init_binary = init_binary, .devpts = CLOSED_FD};
        spawner_run(supervisor->shared, ends);
    }
    if (pid < 0)
        return err_fork(err, FAILURE_SYSTEM, "start the spawner", NULL);
    supervisor->spawner_pid = pid;
    supervisor->spawner = take_fd(&ours);
    if (supervisor->cgroups.version == 2)
        return 0;
    if (cgroups_attach(&supervisor->cgroups, pid, err) != 0)
        return -1;
    return delegate_attach(&supervisor->spec, supervisor->state != STATE_IDLE, pid, err);
}

static int write_map(pid_t pid, const char *file, const char *map, struct err *err) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, map, strlen(map)) < 0)
        return err_sys(err, "map ids", file);
    return 0;
}

// The other process's own error tells more than that it has gone.
static int explain(const struct err *theirs, struct err *err) {
    if (theirs->code != FAILURE_NONE)
        *err = *theirs;
    return -1;
}

static int wait_spawner(struct supervisor *supervisor, struct err *err) {
    if (step_wait(supervisor->spawner, MSG_STEP, err) != 0)
        return explain(&supervisor->shared->spawner_err, err);
    return 0;
}

static int map_and_mount(struct supervisor *supervisor, int init, struct err *err) {
    struct shared *shared = supervisor->shared;
    if (write_map(shared->init_pid, "gid_map", supervisor->spec.gid_map, err) != 0 ||
        write_map(shared->init_pid, "uid_map", supervisor->spec.uid_map, err) != 0)
        return -1;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/ns/user", (int)shared->init_pid);
    cleanup_fd int userns = open(path, O_RDONLY | O_CLOEXEC);
    if (userns < 0)
        return err_sys(err, "open user namespace", NULL);
    if (step_send(init, MSG_BUILD, -1, err) != 0)
        return explain(&shared->init_err, err);
    shared->steps_ns[STEP_CLONE] = monotonic_ns();
    if (rootfs_build(&supervisor->spec, userns, supervisor->terminals, err) != 0)
        return -1;
    close_fd_at(&supervisor->terminals);
    shared->steps_ns[STEP_ROOTFS] = monotonic_ns();
    if (step_send(init, MSG_BUILD, -1, err) != 0)
        return explain(&shared->init_err, err);
    return 0;
}

// While PID 1 makes its own mounts.
static int make_network(struct supervisor *supervisor, int init, struct err *err) {
    if (supervisor->spec.network != NET_PRIVATE)
        return 0;
    if (step_wait(init, MSG_STEP, err) != 0) // it has the namespace
        return explain(&supervisor->shared->init_err, err);
    const struct network_owner owner = {&supervisor->cgroups, supervisor->spec.root_uid};
    const struct spec *spec = &supervisor->spec;
    cleanup_fd int root = open("r", O_PATH | O_DIRECTORY | O_CLOEXEC); // rootfs_build()
    if (root < 0)
        return err_sys(err, "open root", spec->mountpoint);
    if (network_files_open(&supervisor->network.files, root, spec->root_uid, spec->root_gid, err) != 0)
        return -1;
    if (network_make(&supervisor->network, &supervisor->spec.plan, supervisor->init_pid, &owner, err) != 0)
        return explain(&supervisor->shared->init_err, err); // which may have gone meanwhile
    supervisor->shared->steps_ns[STEP_LINK] = monotonic_ns();
    return 0;
}

// The spawner has entered; what it asks of us comes with that.
static int wait_entered(struct supervisor *supervisor, struct err *err) {
    if (!supervisor->shared->own_sysinfo)
        return wait_spawner(supervisor, err);
    int listener = CLOSED_FD;
    if (step_wait_any(supervisor->spawner, MSG_STEP, &listener, err) != 0)
        return explain(&supervisor->shared->spawner_err, err);
    if (listener >= 0)
        sysinfo_listen(listener);
    return 0;
}

static int ask_to_enter(struct supervisor *supervisor, struct err *err) {
    uint8_t bytes[WIRE_HEADER_BYTES];
    struct wire_writer writer;
    const int fds[] = {supervisor->init_pidfd, supervisor->devpts};
    supervisor->shared->own_sysinfo = supervisor->spec.own_sysinfo && sysinfo_ready();
    wire_start(&writer, bytes, sizeof bytes, MSG_ENTER);
    if (wire_send(supervisor->spawner, bytes, wire_finish(&writer, 2), fds, 2) != 0)
        return err_sys(err, "ask the spawner", NULL);
    return 0;
}

static int prepare_cgroup(struct supervisor *supervisor, int init_end, struct err *err) {
    struct cgroups *cgroups = &supervisor->cgroups;
    if (cgroups->version == 1) { // made and joined ahead of time
        if (cgroups_rename(cgroups, supervisor->spec.name, err) != 0)
            return -1;
        if (cgroups_apply(cgroups, &supervisor->spec, err) != 0 || delegate_make(&supervisor->spec, err) != 0)
            return -1;
        return delegate_attach(&supervisor->spec, false, supervisor->spawner_pid, err);
    }
    if (cgroups_make(cgroups, supervisor->spec.name, err) != 0 ||
        cgroups_apply(cgroups, &supervisor->spec, err) != 0 || delegate_make(&supervisor->spec, err) != 0)
        return -1;
    return spawner_start(supervisor, init_end, err);
}

// All that it was told but the network's plan, which is nobody's but ours to know.
static int ask_to_build(const struct supervisor *supervisor, const uint8_t *bytes, size_t length,
                        struct err *err) {
    uint8_t build[WIRE_MAX_BYTES];
    struct wire_writer writer;
    struct wire_reader reader;
    struct wire_field field;
    wire_start(&writer, build, sizeof build, MSG_BUILD);
    (void)wire_open_header(&reader, bytes, length);
    while (wire_next(&reader, &field)) {
        if (!wire_is_network(field.tag))
            wire_put(&writer, (enum wire_tag)field.tag, field.value, field.length);
    }
    if (wire_send(supervisor->spawner, build, wire_finish(&writer, 0), NULL, 0) != 0)
        return err_sys(err, "ask the spawner", NULL);
    return 0;
}

int build_sandbox(struct supervisor *supervisor, struct wire_reader *reader, const struct received *received,
                  struct err *err) {
    supervisor->received_ns = monotonic_ns();
    if (spec_parse(&supervisor->spec, reader, err) != 0 ||
        (supervisor->spec.network == NET_PRIVATE && net_plan_check(&supervisor->spec.plan, err) != 0))
        return -1;
    figures_take(&supervisor->spec, received->fds, received->count);
    supervisor->shared->freedom = supervisor->spec.freedom;
    share_filters(supervisor->shared, &supervisor->spec.filters);
    int init = supervisor->init;
    cleanup_fd int init_end = take_fd(&supervisor->init_pidfd);
    if (prepare_cgroup(supervisor, init_end, err) != 0)
        return -1;
    close_fd_at(&init_end);
    supervisor->shared->steps_ns[STEP_CGROUP] = monotonic_ns();
    if (ask_to_build(supervisor, received->bytes, received->length, err) != 0 ||
        wait_spawner(supervisor, err) != 0)
        return -1;
    supervisor->init_pid = supervisor->shared->init_pid;
    supervisor->init_pidfd = sys_pidfd_open(supervisor->init_pid);
    if (supervisor->init_pidfd < 0)
        return err_sys(err, "open pidfd", NULL);
    if (map_and_mount(supervisor, init, err) != 0 || make_network(supervisor, init, err) != 0)
        return -1;
    if (step_wait_fd(init, MSG_STEP, &supervisor->devpts, err) != 0)
        return explain(&supervisor->shared->init_err, err);
    if (delegate_attach(&supervisor->spec, true, supervisor->init_pid, err) != 0 ||
        delegate_attach(&supervisor->spec, true, supervisor->spawner_pid, err) != 0 ||
        delegate_limits(&supervisor->spec, err) != 0)
        return -1;
    if (ask_to_enter(supervisor, err) != 0 ||
        host_folders_attach(&supervisor->spec, supervisor->init_pidfd, err) != 0)
        return -1;
    figures_attach(&supervisor->spec, supervisor->init_pidfd);
    if (wait_entered(supervisor, err) != 0)
        return -1;
    supervisor->detach_at_ns = monotonic_ns() + DETACH_NS;
    int asked = CLOSED_FD;
    if (step_wait_fd(init, MSG_STEP, &asked, err) != 0)
        return explain(&supervisor->shared->init_err, err);
    asked_open(asked);
    return 0;
}

int replace_spawner(struct supervisor *supervisor, struct err *err) {
    close_fd_at(&supervisor->spawner);
    if (spawner_start(supervisor, CLOSED_FD, err) != 0)
        return -1;
    supervisor->shared->let_go = supervisor->asked; // the one before has ended, with all that it had
    return ask_to_enter(supervisor, err) == 0 ? wait_entered(supervisor, err) : -1;
}
