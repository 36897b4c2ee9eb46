// dockersh-supervisor: one process per sandbox, as root, outside of it. Builds the sandbox, starts
// sessions in it, reaps and reports. The daemon may come and go; the sandbox lives as long as this
// process does, and no longer: PID 1 inside dies with it. Forked by the launcher (launcher.c).
//
// Trusts the daemon (root, over descriptors it inherited or a socket in a folder that only root can
// enter), nobody else. What comes from a login client is passed on, never interpreted.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "asked/asked.h"
#include "cleanup.h"
#include "closing.h"
#include "connection/connection.h"
#include "connection/view.h"
#include "control/control.h"
#include "control/networking.h"
#include "control/pause.h"
#include "control/tell.h"
#include "kept/kept.h"
#include "rootfs/devpts.h"
#include "rootfs/rootfs.h"
#include "session/time.h"
#include "start/spawner.h"
#include "sys.h"
#include "sysinfo/sysinfo.h"

#define FIRST_ASKED 9
#define FIXED_POLLS (FIRST_ASKED + ASKED_POLLS)
#define WATCHDOG_SECONDS 60
#define FIRST_LOOK_NS 20000000u

static struct supervisor self;

// ---- children --------------------------------------------------------------------------------------
static void spawner_died(void) {
    self.spawner_pid = 0;
    if (self.state == STATE_IDLE)
        supervisor_leave(&self); // of no use to anybody: the daemon has another one started
    session_hear_spawner(&self);
    close_fd_at(&self.spawner);
    self.shared->let_go = self.asked; // and so has it
    for (size_t index = 0; index < self.reached; index++) {
        struct session *session = &self.sessions[index];
        struct slot *slot = &self.shared->slots[index];
        if (session->used && session->started && !session->ended && slot->pid == 0) {
            (void)err_plain(&slot->err, FAILURE_MEMORY, "the sandbox was short of memory", NULL);
            (void)session_exited(&self, 0, CLD_EXITED, 0);
        }
    }
}

static void children_exited(void) {
    struct signalfd_siginfo ignored;
    while (read(self.signals, &ignored, sizeof ignored) == sizeof ignored) {
        if (ignored.ssi_signo == SIGTERM)
            supervisor_stop(&self, CAUSE_SHUTDOWN, "Your sandbox is being stopped, as are all on this host.");
    }
    closing_check();
    // Zombies that a session still needs stay; they must not hide the ones behind them, so each
    // child of ours is asked for by its own pid.
    for (size_t index = 0; index < self.reached; index++) {
        siginfo_t info = {.si_pid = 0};
        struct rusage use;
        struct session *session = &self.sessions[index];
        pid_t pid = session->used && !session->ended ? self.shared->slots[index].pid : 0;
        if (pid <= 0 || sys_waitid(pid, &info, WEXITED | WNOHANG | WNOWAIT, &use) != 0 || info.si_pid == 0)
            continue;
        session->cpu_us = sys_microseconds(use.ru_utime) + sys_microseconds(use.ru_stime);
        session->peak_bytes = (uint64_t)use.ru_maxrss * 1024;
        session_hear_spawner(&self); // whatever it said came before
        if (session_exited(&self, pid, info.si_code, info.si_status))
            (void)waitpid(pid, NULL, WNOHANG);
        if (self.state == STATE_STOPPING)
            supervisor_end_when_alone(&self); // it looks again
    }
    if (self.spawner_pid > 0 && waitpid(self.spawner_pid, NULL, WNOHANG) == self.spawner_pid)
        spawner_died();
    network_reap(&self.network);
    kept_reap(&self);
    sysinfo_reap();
    view_reap();
    if (self.init_pid > 0 && waitpid(self.init_pid, NULL, WNOHANG) == self.init_pid) {
        self.init_pid = 0;
        supervisor_leave(&self);
    }
}

// ---- the loop ------------------------------------------------------------------------------------------

// A paused sandbox is not idle: somebody is at its files.
static uint64_t idle_end_ns(void) {
    return self.thaw_at_ns == NEVER ? self.linger_at_ns : NEVER;
}

// When to look whether the session's process has received the login. It does not wake us, because that would
// make logins slower: what a client sends in the first moments is read a little later.
static uint64_t next_look_ns(const struct session *session) {
    if (session->taken || session->ended || session->connection < 0)
        return NEVER;
    uint64_t now = monotonic_ns();
    return now + FIRST_LOOK_NS + (now - session->received_ns) / 8;
}

static uint64_t next_deadline(void) {
    uint64_t next = idle_end_ns() < self.kill_at_ns ? idle_end_ns() : self.kill_at_ns;
    next = self.thaw_at_ns < next ? self.thaw_at_ns : next;
    next = self.detach_at_ns < next ? self.detach_at_ns : next;
    next = networking_next(&self.network) < next ? networking_next(&self.network) : next;
    next = connection_next() < next ? connection_next() : next;
    next = asked_next() < next ? asked_next() : next;
    next = kept_next(&self) < next ? kept_next(&self) : next;
    next = sysinfo_next() < next ? sysinfo_next() : next;
    for (size_t index = 0; index < self.reached; index++) {
        const struct session *session = &self.sessions[index];
        if (!session->used)
            continue;
        uint64_t over = session_time_next(session), taken = next_look_ns(session);
        next = session->kill_at_ns < next ? session->kill_at_ns : next;
        next = over < next ? over : next;
        next = taken < next ? taken : next;
    }
    return next;
}

static void pass_deadlines(void) {
    uint64_t now = monotonic_ns();
    for (size_t index = 0; index < self.reached; index++) {
        struct session *session = &self.sessions[index];
        if (session->used && session->kill_at_ns <= now)
            session_deadline(&self, session);
        if (session->used && session_time_next(session) <= now)
            session_check_time(&self, session);
    }
    if (self.kill_at_ns <= now)
        supervisor_leave(&self);
    if (self.thaw_at_ns <= now)
        pause_end(&self);
    if (self.detach_at_ns <= now) {
        self.detach_at_ns = NEVER;
        rootfs_detach(&self.spec);
    }
    networking_due(&self, now);
    connection_due(&self, now);
    kept_due(&self, now);
    sysinfo_due(&self, now);
    if (idle_end_ns() <= now)
        supervisor_stop(&self, CAUSE_LINGER, NULL);
}

static void wait_and_handle(void) {
    struct pollfd polled[FIXED_POLLS + MAX_SESSIONS] = {
        {.fd = self.control, .events = POLLIN},
        {.fd = self.signals, .events = POLLIN},
        {.fd = self.listener, .events = POLLIN},
        {.fd = self.spawner, .events = POLLIN},
        {.fd = self.network.refused, .events = POLLIN},
        {.fd = self.network.relay.connection, .events = POLLIN},
        {.fd = connection_poll(), .events = POLLIN},
        {.fd = kept_poll(), .events = POLLIN},
        {.fd = sysinfo_poll(), .events = POLLIN}};
    struct session *owners[MAX_SESSIONS];
    nfds_t count = FIXED_POLLS;
    asked_poll(&self, polled + FIRST_ASKED);
    if (self.state == STATE_IDLE)
        polled[3].fd = -1; // build_sandbox() talks to it in its own order
    for (size_t index = 0; index < self.reached; index++) {
        if (!self.sessions[index].used || self.sessions[index].connection < 0)
            continue;
        owners[count - FIXED_POLLS] = &self.sessions[index];
        // Until its process has received the login, what can be read is not for us; that the client goes, is.
        self.sessions[index].taken |= self.shared->slots[index].taken;
        short events = self.sessions[index].taken ? POLLIN : 0;
        polled[count++] = (struct pollfd){.fd = self.sessions[index].connection, .events = events};
    }
    uint64_t deadline = next_deadline();
    (void)alarm(0);
    int ready = poll(polled, count, deadline == NEVER ? -1 : milliseconds_until(deadline));
    // If anything holds us up for a minute, the alarm ends this sandbox. Otherwise nobody could stop it.
    (void)alarm(WATCHDOG_SECONDS);
    if (ready < 0)
        return;
    // Exits first: a session's slot must be known to be free, and its client told, before the rest.
    if (polled[1].revents != 0)
        children_exited();
    if (polled[3].revents != 0 && self.spawner >= 0)
        session_hear_spawner(&self);
    for (nfds_t index = FIXED_POLLS; index < count; index++) {
        struct session *owner = owners[index - FIXED_POLLS];
        if (polled[index].revents != 0 && owner->used && owner->connection == polled[index].fd)
            session_message(&self, owner);
    }
    if (polled[4].revents != 0)
        networking_refused(&self);
    if (polled[5].revents != 0 && self.network.relay.connection >= 0)
        relay_hear(&self.network.relay, &self.spec.plan, self.network.rules);
    if (polled[6].revents != 0)
        connection_hear(&self);
    if (polled[7].revents != 0)
        kept_hear(&self);
    if (polled[8].revents != 0)
        sysinfo_hear(&self);
    asked_hear(&self, polled + FIRST_ASKED);
    if (polled[0].revents != 0)
        control_message(&self);
    if (polled[2].revents != 0)
        control_accept(&self);
    pass_deadlines();
}

// ---- start ---------------------------------------------------------------------------------------------

static int own_mount_namespace(struct err *err) {
    // A slave: what is mounted here stays here, and what the host unmounts is not kept alive here.
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
        return err_sys(err, "make a mount namespace", NULL);
    return 0;
}

static int prepare(struct err *err) {
    uint8_t message[16 * 1024]; // paths of cgroups
    int fds[WIRE_MAX_FDS];
    struct pollfd wait = {.fd = self.control, .events = POLLIN};
    (void)poll(&wait, 1, -1);
    unsigned count;
    struct wire_reader reader;
    ssize_t length = wire_receive(self.control, message, sizeof message, fds, &count);
    if (length <= 0 || !wire_open(&reader, message, (size_t)length) || reader.type != MSG_PREPARE)
        return err_plain(err, FAILURE_PROTOCOL, "the daemon has gone", NULL);
    if (cgroups_parse(&self.cgroups, &reader, err) != 0)
        return -1;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return err_sys(err, "make a socket pair", NULL);
    self.init = pair[0];
    self.init_pidfd = pair[1]; // until the sandbox is built: PID 1's end
    if (self.cgroups.version == 2)
        return 0;
    char name[32];
    (void)snprintf(name, sizeof name, "ready-%d", (int)getpid());
    if (cgroups_make(&self.cgroups, name, err) != 0)
        return -1;
    int init_end = self.init_pidfd;
    if (spawner_start(&self, init_end, err) != 0)
        return -1;
    close_fd_at(&self.init_pidfd);
    return 0;
}

static int watch_children(struct err *err) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    self.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return self.signals >= 0 ? 0 : err_sys(err, "watch children", NULL);
}

static bool spawner_has_let_go(void) {
    return self.shared->let_go >= self.asked;
}

_Noreturn void supervise(int control, int init_binary) {
    struct err err = {0};
    // Field by field: the sessions' pages stay untouched, and cost nothing, until they are used.
    self.control = control;
    // A daemon that is stopped in its tracks must not stop us: what it can't take now is not waited for.
    (void)fcntl(control, F_SETFL, O_NONBLOCK);
    self.init_binary = init_binary;
    self.listener = self.signals = self.spawner = self.init = self.devpts = CLOSED_FD;
    self.terminals = self.init_pidfd = CLOSED_FD;
    self.linger_at_ns = self.kill_at_ns = self.thaw_at_ns = self.detach_at_ns = NEVER;
    network_init(&self.network);
    closing_when(spawner_has_let_go);
    (void)setsid();
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    self.shared = mmap(NULL, sizeof *self.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (self.shared == MAP_FAILED)
        (void)err_sys(&err, "map memory", NULL);
    if (err.code != FAILURE_NONE || watch_children(&err) != 0 || (self.terminals = devpts_make(&err)) == -1 ||
        own_mount_namespace(&err) != 0 || prepare(&err) != 0) {
        tell_failed(&self, &err);
        supervisor_leave(&self);
    }
    for (;;)
        wait_and_handle();
}
