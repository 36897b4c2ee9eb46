#include "start/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "books/books.h"
#include "cleanup.h"
#include "session/child.h"
#include "spec.h"
#include "start/inside.h"
#include "start/lockdown.h"
#include "start/step.h"
#include "sys.h"
#include "sysinfo/sysinfo.h"

static uint8_t message[WIRE_MAX_BYTES];

// CLONE_PARENT: the new process is the supervisor's child, who reaps it; the spawner never waits for
// anybody. The pid is stored in the shared page before the process can run.
static pid_t spawn(unsigned long flags, pid_t *pid) {
    return (pid_t)syscall(SYS_clone, flags | CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD, NULL, pid, NULL,
                          0);
}

// Who makes a user namespace is charged for whatever the kernel counts in it (inotify instances, fanotify
// groups, queued signals, message queues, locked memory, namespaces): were that root, one user could take
// what root and all other sandboxes have of them. So the sandbox's own root makes it, whose id is this user's
// alone. The capabilities stay: some hosts let nobody else make one. Other effects of another id are taken
// back.
static int as_owner(uid_t uid, unsigned long securebits, struct err *err) {
    if (prctl(PR_SET_SECUREBITS, securebits | SECBIT_NO_SETUID_FIXUP, 0, 0, 0) != 0 ||
        syscall(SYS_setresuid, -1, uid, -1) != 0 || prctl(PR_SET_SECUREBITS, securebits, 0, 0, 0) != 0)
        return err_sys(err, "take the id that owns the sandbox", NULL);
    // Another id clears it (prctl(2)).
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return err_sys(err, "prctl", NULL);
    return 0;
}

// A clock of the time since boot that begins with the sandbox: then uptime(1) and /proc/uptime are its own,
// and ps(1), which reckons with it, is right. Whoever is forked from now on has it, this process when it
// enters. The others, which nothing needs, stay the host's: CLOCK_MONOTONIC is compared with the daemon's.
// Made ahead of time, because it takes a tenth of a millisecond.
static void make_clock(struct shared *shared) {
    shared->own_clock = unshare(SYS_CLONE_NEWTIME) == 0;
}

static void set_clock(const struct shared *shared) {
    struct timespec now;
    char line[64];
    cleanup_fd int offsets = CLOSED_FD;
    if (!shared->own_clock || clock_gettime(CLOCK_BOOTTIME, &now) != 0)
        return;
    int length = snprintf(line, sizeof line, "boottime -%lld 0\n", (long long)now.tv_sec);
    offsets = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    if (offsets >= 0)
        (void)!write(offsets, line, (size_t)length); // the host's time remains where it may not be set
}

static int make_init(struct wire_reader *reader, struct shared *shared, struct spawner_ends *ends,
                     struct err *err) {
    static struct spec spec;
    if (spec_parse(&spec, reader, err) != 0)
        return -1;
    set_clock(shared);
    int securebits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
    if (securebits < 0 || as_owner(spec.root_uid, (unsigned long)securebits, err) != 0)
        return -1;
    pid_t pid = spawn(CLONE_NEWUSER | CLONE_NEWPID, &shared->init_pid);
    if (pid == 0) {
        close_fd(ends->supervisor);
        inside_run(&spec, shared, ends->init, ends->init_binary);
    }
    if (pid < 0)
        return err_fork(err, FAILURE_SYSTEM, "make PID 1", NULL);
    // Nothing that lives as long as the sandbox, and in it, keeps a file of the host's.
    close_fd_at(&ends->init);
    close_fd_at(&ends->init_binary);
    return as_owner(0, (unsigned long)securebits, err);
}

// Joins every namespace of PID 1 at once. From here on /proc, paths and ids are the sandbox's.
static int enter(int pidfd, const struct shared *shared, int *listener, struct err *err) {
    const int flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS |
                      CLONE_NEWIPC | CLONE_NEWCGROUP | (shared->own_clock ? SYS_CLONE_NEWTIME : 0);
    if (setns(pidfd, flags) != 0)
        return err_sys(err, "enter the sandbox", NULL);
    if (setgroups(0, NULL) != 0 || setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0)
        return err_sys(err, "become root of the user namespace", NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_sys(err, "prctl", NULL);
    if (shared->own_sysinfo)
        *listener = sysinfo_filter();
    return lockdown(&shared->freedom, &shared->filters, err);
}

// The client's connection passes through, with its login still on it: what it holds is the child's to
// receive.
static void start_session(struct wire_reader *reader, int connection, struct shared *shared,
                          const struct spawner_ends *ends) {
    struct wire_reader probe = *reader;
    struct wire_field field;
    uint32_t slot = MAX_SESSIONS;
    while (wire_next(&probe, &field)) {
        if (field.tag == TAG_SLOT)
            (void)wire_u32(&field, &slot);
    }
    if (slot >= MAX_SESSIONS)
        return;
    struct slot *place = &shared->slots[slot];
    pid_t pid = spawn(0, &place->pid);
    if (pid == 0) {
        struct child_ends theirs = {.connection = connection,
                                    .supervisor = ends->supervisor,
                                    .devpts = ends->devpts,
                                    .slot = slot,
                                    .taken = &place->taken};
        child_run(reader, &theirs, place);
    }
    if (pid < 0) {
        (void)err_fork(&place->err, FAILURE_SYSTEM, "start another process", NULL);
        (void)step_send(ends->supervisor, MSG_STEP, -1, &place->err);
        return;
    }
    place->forked_ns = monotonic_ns();
}

// By a process of the user's own, so that nobody but them waits where they hold up that file. No signal that
// the session's end brings to all that is inside keeps it from it.
static void clear_books(struct wire_reader *reader) {
    struct wire_field field;
    uint32_t slot = MAX_SESSIONS, pid = 0, uid = 0, gid = 0;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_SLOT)
            (void)wire_u32(&field, &slot);
        if (field.tag == TAG_PID)
            (void)wire_u32(&field, &pid);
        if (field.tag == TAG_UID)
            (void)wire_u32(&field, &uid);
        if (field.tag == TAG_GID)
            (void)wire_u32(&field, &gid);
    }
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    if (fork() == 0) {
        if (sys_close_range(0, ~0u, 0) != 0 || setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
            uid == 0 || setresuid(uid, uid, uid) != 0)
            _exit(1);
        books_leave(slot, (pid_t)pid);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
}

static void handle(struct wire_reader *reader, int *fds, unsigned count, struct shared *shared,
                   struct spawner_ends *ends) {
    struct err *err = &shared->spawner_err;
    int done = 0;
    cleanup_fd int listener = CLOSED_FD;
    if (reader->type == MSG_BUILD)
        done = make_init(reader, shared, ends, err);
    else if (reader->type == MSG_ENTER && count == 2) {
        done = enter(fds[0], shared, &listener, err);
        ends->devpts = take_fd(&fds[1]);
    }
    if (reader->type == MSG_SESSION && count == 1) {
        start_session(reader, fds[0], shared, ends);
        close_fd_at(&fds[0]);
        shared->let_go++;
        return;
    }
    if (reader->type == MSG_SESSION_LEFT) {
        clear_books(reader);
        return;
    }
    if (done == 0 && reader->type == MSG_ENTER)
        shared->steps_ns[STEP_ENTER] = monotonic_ns();
    if (done != 0 || step_send(ends->supervisor, MSG_STEP, listener, err) != 0)
        _exit(1);
}

// What the supervisor and whoever started it ignore or hold back, a session's process must hear from its
// first instant. Here, because there would be sixty calls of it in every login.
static void default_signals(void) {
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    // The spawner's own children are waited for by nobody. An exec forgets it.
    const struct sigaction unwaited = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    (void)sigaction(SIGCHLD, &unwaited, NULL);
}

_Noreturn void spawner_run(struct shared *shared, struct spawner_ends ends) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    default_signals();
    if (ends.init >= 0) // PID 1 is still to be made
        make_clock(shared);
    for (;;) {
        int fds[WIRE_MAX_FDS];
        unsigned count;
        ssize_t length = wire_receive(ends.supervisor, message, sizeof message, fds, &count);
        struct wire_reader reader;
        if (length <= 0 || !wire_open(&reader, message, (size_t)length))
            _exit(0);
        handle(&reader, fds, count, shared, &ends);
        for (unsigned index = 0; index < count; index++)
            close_fd(fds[index]);
    }
}
