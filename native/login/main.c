// dockersh, the login client: the program named in /etc/passwd or by sshd's ForceCommand.
//
// Runs as the user who logs in, with no privilege and no setuid bit. It hands its own arguments,
// environment and descriptors 0, 1, 2 to the daemon and waits for the exit status; where one of the
// three is a terminal it also pumps that terminal. It decides nothing: who the user is, the daemon
// asks the kernel; what may run, root's policy says. It runs nothing on the host, with two exceptions: root,
// who never gets a sandbox and must not depend on a daemon, gets /bin/sh; and whom the daemon calls exempt
// gets the shell that it names.
//
// Built a second time with -DDOCKERSH_EXEC it is dockersh-exec, root's way to run a command in a sandbox,
// over a socket that only root can reach: `dockersh-exec [--socket PATH] USER [COMMAND [ARG …]], or --watch |
// --join [--raw] USER [SESSION]`.

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "answer/ask.h"
#include "answer/refusal.h"
#include "cleanup.h"
#include "leave.h"
#include "look.h"
#include "message.h"
#include "outside.h"
#include "reach.h"
#include "terminal/pump.h"
#include "terminal/streams.h"
#include "terminal/terminal.h"
#include "terminal/viewer.h"
#include "wire.h"

#ifndef RUN_DIR
#define RUN_DIR "/run/dockersh"
#endif

#ifdef DOCKERSH_EXEC
#define PROGRAM "dockersh-exec"
#define SOCKET_PATH RUN_DIR "/exec.sock"
#define TELL "See \"systemctl status dockershd\"."
#else
#define PROGRAM "dockersh"
#define SOCKET_PATH RUN_DIR "/login.sock"
#define TELL "Tell the administrator of this host."
#endif

#define RETRY_MS 50
#define WAITING_MS 2000
// Without a word from anybody. The daemon says every 20 s that it is at it, a supervisor that is held up ends
// after 60.
#ifndef SILENCE_MS
#define SILENCE_MS 75000
#endif
#define RETRY_ATTEMPTS                                                                                       \
    200 // 10 s: a daemon takes half a second to be started again, and on a busy host several

static uint8_t message[WIRE_MAX_BYTES];

#ifdef DOCKERSH_EXEC
static const char *socket_path = SOCKET_PATH;

// Root, who runs this, may name another daemon's; the login client has its socket compiled in.
static void take_socket(int *argc, char ***argv) {
    if (*argc < 3 || strcmp((*argv)[1], "--socket") != 0)
        return;
    socket_path = (*argv)[2];
    if (strlen(socket_path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        fail("The path of the socket is too long.");
    *argc -= 2;
    *argv += 2;
}
#endif

static uint64_t monotonic_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// Signals are read, not delivered: once the session runs they are for it, whenever we get to hear of that,
// and the terminal is put back at every way out. Where there is no login under way they are delivered as
// usual.
static sigset_t usual_mask;
static int signals = -1;

static void hold_signals(void) {
    static const int held[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t index = 0; index < sizeof held / sizeof held[0]; index++)
        (void)sigaddset(&set, held[index]);
    (void)sigprocmask(SIG_BLOCK, &set, &usual_mask);
    if (signals < 0)
        signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void release_signals(void) {
    (void)sigprocmask(SIG_SETMASK, &usual_mask, NULL);
}

// Our own door, where the daemon has made one, is one that nobody else can stand in.
static int reach_daemon(void) {
#ifdef DOCKERSH_EXEC
    return reach_dial(socket_path);
#else
    char door[sizeof RUN_DIR + 32];
    (void)snprintf(door, sizeof door, RUN_DIR "/doors/%u.sock", (unsigned)getuid());
    int connection = reach_dial(door);
    if (connection >= 0)
        return connection;
    return reach_dial(SOCKET_PATH);
#endif
}

// A connected socket with the login sent, or -1 with errno.
static int submit(size_t length) {
    cleanup_fd int connection = reach_daemon();
    if (connection < 0)
        return -1;
    static const int standard[] = {0, 1, 2};
    hold_signals(); // not before: a connection may have to wait
    if (wire_send(connection, message, length, standard, 3) == 0)
        return take_fd(&connection);
    int failure = errno;
    release_signals();
    errno = failure;
    return -1;
}

#ifndef DOCKERSH_EXEC
// The daemon's word is obeyed only where the daemon is root: in place of the socket that is compiled in,
// nobody else can put one, but that is a folder's mode, and this is a shell outside of every sandbox.
static _Noreturn void leave_sandbox(int connection, struct wire_reader *reader, int argc, char **argv) {
    struct ucred peer = {.uid = 1};
    socklen_t size = sizeof peer;
    struct wire_field field;
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != 0)
        fail("The login service does not belong to root, so it is not believed. " TELL);
    while (wire_next(reader, &field)) {
        cleanup_free char *shell = field.tag == TAG_SHELL ? wire_text(&field) : NULL;
        if (shell == NULL || shell[0] != '/')
            continue;
        release_signals();
        outside_run(shell, argc, argv);
    }
    fail("No shell of this host could be started. " TELL);
}
#endif

// Whether the connection has something within this time. Poll looks at it first: a signal ends us only where
// no session has started.
static bool has_word(int connection, int timeout_ms) {
    for (;;) {
        struct pollfd polled[] = {{.fd = connection, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
        int found = poll(polled, 2, timeout_ms);
        if (found == 0 || polled[0].revents != 0)
            return found != 0;
        struct signalfd_siginfo info;
        if (read(signals, &info, sizeof info) != sizeof info)
            continue;
        if (info.ssi_signo != SIGWINCH && info.ssi_signo != SIGCONT)
            under_way_leave((int)info.ssi_signo);
    }
}

// Where a service manager holds the socket, a login waits there until a daemon can be started: somebody at a
// terminal is told. A program at the other end must not get words between its own.
static void say_when_waiting(int connection) {
    static bool said;
    if (said || !isatty(2) || has_word(connection, WAITING_MS))
        return;
    say("Waiting for the login service (dockershd).");
    said = true;
}

// The next message; where none comes, nobody takes logins from the service manager's socket.
static ssize_t next_word(int connection, uint8_t *bytes, size_t size, int *fds, unsigned *fd_count) {
    if (!has_word(connection, SILENCE_MS))
        fail("The login service (dockershd) does not answer, so you can't be logged in. " TELL);
    ssize_t length = wire_receive(connection, bytes, size, fds, fd_count);
    // A daemon that refuses many at once does not take our message: its answer is there, behind the reset.
    if (length < 0 && errno == ECONNRESET)
        length = wire_receive(connection, bytes, size, fds, fd_count);
    return length;
}

// Waits for the session to start. Returns the PTY's master or a keeper's socket in its place, -1 where the
// session has none, or -2 where the connection ended first: then nothing was run, and the login may be sent
// again.
static int wait_for_start(int connection, int argc, char **argv) {
    static uint8_t answer[WIRE_MAX_BYTES];
    int fds[WIRE_MAX_FDS];
    unsigned fd_count;
    struct wire_reader reader;
    say_when_waiting(connection);
    do {
        ssize_t length = next_word(connection, answer, sizeof answer, fds, &fd_count);
        if (length <= 0 && under_way_lost())
            return -2;
        if (!wire_open(&reader, answer, (size_t)length))
            fail("The answer of dockershd is not understood: it may be of another version. " TELL);
    } while (reader.type == MSG_WAIT && under_way_note(&reader));
    if (reader.type == MSG_STARTED)
        return fd_count > 0 ? fds[0] : -1;
    if (reader.type == MSG_EXIT) { // before it began: it could not be started, or it was killed
        struct outcome outcome = outcome_read(&reader);
        leave(&outcome);
    }
#ifndef DOCKERSH_EXEC
    if (reader.type == MSG_OUTSIDE)
        leave_sandbox(connection, &reader, argc, argv);
#else
    (void)argc;
    (void)argv;
#endif
    if (reader.type == MSG_REPORT)
        report_answer(&reader);
    report_refusal(&reader);
}

static int start(size_t length, int *ptm, int argc, char **argv) {
    int why = 0;
    for (int attempt = 0; attempt < RETRY_ATTEMPTS; attempt++) {
        int connection = submit(length);
        if (connection >= 0) {
            *ptm = wait_for_start(connection, argc, argv);
            if (*ptm != -2)
                return connection;
            close_fd(connection);
            release_signals();
            why = ECONNREFUSED;
        } else if (!reach_may_come(why = errno)) {
            break;
        }
        struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
    reach_failed(why, TELL);
}

int main(int argc, char **argv) {
    uint64_t started = monotonic_ns();
    struct look look = {0};
    streams_fill();
#ifdef DOCKERSH_EXEC
    take_socket(&argc, &argv);
    look_take(&look, &argc, &argv);
    if (argc < 2)
        fail("usage: " PROGRAM " [--socket PATH] USER [COMMAND [ARG …]]");
#else
    // Kernels before 5.18 allow a program with no argv[0], which has been used to confuse others.
    if (argc < 1 || argv[0] == NULL || argv[0][0] == '\0')
        fail("Called without a name (argv[0]), which is refused.");
    // Inside a sandbox of the image "host" this is the same program.
    if (ask_is_meant(argc, argv))
        ask_run(argc, argv);
    // Never locked out: whatever becomes of the daemon, its policy or its socket, root gets in to repair it.
    if (getuid() == 0 && geteuid() == 0) {
        if (isatty(2))
            say("root has no sandbox: this is a shell of the host.");
        outside_run("/bin/sh", argc, argv);
        fail("/bin/sh could not be started.");
    }
#endif
#ifdef DOCKERSH_EXEC
    size_t length = message_write(message, sizeof message, started, argv[1], look.view, argc - 1, argv + 1);
#else
    size_t length = message_write(message, sizeof message, started, NULL, 0, argc, argv);
#endif
    if (length == 0)
        message_fail_too_large(argc, argv);

    int ptm = -1;
    int connection = start(length, &ptm, argc, argv);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGTTOU, SIG_IGN);
    struct terminal terminal = {.input = -1, .output = -1};
    if (ptm >= 0 && terminal_find(&terminal)) {
        terminal_raw(&terminal);
        terminal.looks = look.view != 0;
        terminal.harmless = terminal.looks && !look.raw;
        if (viewer_is_one(ptm))
            viewer_say_size(&terminal, ptm);
        else
            terminal_copy_size(&terminal, ptm);
    }
    int watched = streams_release();
    struct outcome outcome = pump(connection, signals, ptm, watched, &terminal);
    terminal_restore(&terminal);
    leave(&outcome);
}
