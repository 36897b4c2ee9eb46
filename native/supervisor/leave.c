// Ends a sandbox and the supervisor with it: who is told, who is waited for, and what is taken away.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "asked/asked.h"
#include "cgroup/delegate.h"
#include "cgroup/group.h"
#include "cleanup.h"
#include "closing.h"
#include "connection/connection.h"
#include "control/pause.h"
#include "control/tell.h"
#include "kept/kept.h"
#include "session/notice.h"
#include "supervisor.h"
#include "sys.h"
#include "sysinfo/sysinfo.h"
#include "work/work.h"

// For what has been killed, before it is left behind: a session's process, which may hang for as long as its
// client likes; and whoever is last inside and takes the mounts away, which waits for the disk.
#define END_PATIENCE_MS 5000u
#define TEARDOWN_PATIENCE_MS 30000u

// True when no child is left: everything inside, our own processes, and those that close what clients sent.
static bool reap_for(const struct supervisor *supervisor, uint64_t milliseconds) {
    uint64_t deadline = monotonic_ns() + milliseconds * 1000000u;
    for (;;) {
        struct signalfd_siginfo ignored;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (errno == ECHILD)
            return true;
        if (monotonic_ns() >= deadline)
            return false;
        struct pollfd polled = {.fd = supervisor->signals, .events = POLLIN};
        (void)poll(&polled, 1, milliseconds_until(deadline));
        while (read(supervisor->signals, &ignored, sizeof ignored) > 0)
            ;
    }
}

// Whether all who may have descriptors of clients' are gone.
static bool only_teardown_is_left(const struct supervisor *supervisor) {
    for (size_t index = 0; index < supervisor->reached; index++) {
        pid_t pid = supervisor->sessions[index].used ? supervisor->shared->slots[index].pid : 0;
        siginfo_t info;
        if (pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
            return false;
    }
    return !closing_goes_on();
}

static void let_clients_go(struct supervisor *supervisor) {
    for (size_t index = 0; index < supervisor->reached; index++) {
        if (supervisor->sessions[index].used)
            closing_end(&supervisor->sessions[index].connection, supervisor->spec.uid);
    }
    closing_flush();
}

static void remove_control_socket(const struct supervisor *supervisor) {
    if (supervisor->listener >= 0 && supervisor->spec.control_path != NULL)
        (void)unlink(supervisor->spec.control_path);
}

// A process that the kernel can't end (it waits for the other side of a descriptor) must neither keep the
// user out nor make "stop" wait: nothing of the user's runs any more. The daemon is told. This process waits
// for the end and keeps the cgroups; meanwhile the daemon starts no other sandbox under their name.
static void leave_behind(struct supervisor *supervisor) {
    tell_left(supervisor);
    remove_control_socket(supervisor);
    close_fd_at(&supervisor->listener);
    close_fd_at(&supervisor->control);
    (void)alarm(0);
    while (!reap_for(supervisor, NEVER / 1000000u / 2))
        ;
}

// Everything inside dies with PID 1, and the kernel waits for it. The control connection is closed
// last of all: its end tells the daemon that nothing of this sandbox is left.
_Noreturn void supervisor_leave(struct supervisor *supervisor) {
    pause_end(supervisor); // on v1 what is frozen can't be killed
    network_close(&supervisor->network);
    if (supervisor->init_pid > 0)
        (void)kill(supervisor->init_pid, SIGKILL);
    if (supervisor->spawner_pid > 0) {
        (void)kill(supervisor->spawner_pid, SIGKILL);
        supervisor->shared->let_go = supervisor->asked; // those who close wait for nobody any more
    }
    notice_last(supervisor);
    if (supervisor->state == STATE_RUNNING)
        tell_stopping(supervisor, NULL);
    asked_close(supervisor);
    let_clients_go(supervisor);
    kept_end_all(supervisor);
    sysinfo_end();
    connection_end_all(supervisor);
    cgroups_free_disks(&supervisor->cgroups, &supervisor->spec);
    if (supervisor->spec.mountpoint != NULL)
        (void)umount2(supervisor->spec.mountpoint, MNT_DETACH);
    if (!reap_for(supervisor, END_PATIENCE_MS) &&
        !(only_teardown_is_left(supervisor) && reap_for(supervisor, TEARDOWN_PATIENCE_MS - END_PATIENCE_MS)))
        leave_behind(supervisor);
    if (supervisor->spec.delegated != NULL)
        cgroup_remove_tree(supervisor->spec.delegated);
    cgroups_remove(&supervisor->cgroups);
    remove_control_socket(supervisor);
    _exit(0);
}

void supervisor_end_when_alone(const struct supervisor *supervisor) {
    (void)send(supervisor->init, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL); // a full queue says the same
}

void supervisor_stop(struct supervisor *supervisor, enum cause cause, const char *why) {
    if (supervisor->state != STATE_RUNNING)
        return;
    pause_end(supervisor); // what stands still hears nothing
    supervisor->state = STATE_STOPPING;
    supervisor->linger_at_ns = NEVER;
    supervisor->kill_at_ns = monotonic_ns() + supervisor->spec.stop_grace_ms * 1000000u;
    supervisor->cause = cause;
    struct work work;
    work_find(supervisor, NULL, &work);
    tell_stopping(supervisor, &work);
    (void)snprintf(supervisor->why, sizeof supervisor->why, "%s", why != NULL ? why : "");
    notice_end(supervisor);
    if (why != NULL)
        notice_told(); // whoever has asked for it by one of its connections has just been answered
    sandbox_signal(&supervisor->cgroups, supervisor->init_pid, SIGTERM);
    // Interactive shells ignore SIGTERM. What has no terminal does not expect a hang-up and would die of it.
    sandbox_hang_up(&supervisor->cgroups, supervisor->init_pid);
    sandbox_signal(&supervisor->cgroups, supervisor->init_pid, SIGCONT); // what is stopped would hear nothing
    supervisor_end_when_alone(supervisor);
}
