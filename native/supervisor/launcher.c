// The launcher of supervisors: started once by the daemon, as root. It forks a supervisor for every request,
// because forking this small program takes a tenth of a millisecond and forking the daemon several.
// Supervisors are started ahead of time and wait for their sandbox.
//
//   dockersh-supervisor INIT_BINARY [NODE SCREEN]     requests come on descriptor 3
//
// Trusts the daemon, whose child it is and with which it ends.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup/memory.h"
#include "cleanup.h"
#include "client.h"
#include "closing.h"
#include "figures/figures.h"
#include "keep.h"
#include "kept/screens.h"
#include "supervisor.h"
#include "sys.h"

#define LAUNCHER_FD 3

static uint8_t message[WIRE_MAX_BYTES];
// How many connections have come, and of how many of them the daemon has closed its own copy. Those who close
// wait for that: the daemon's copy must not be the last one. Shared with them.
static uint64_t received;
static _Atomic uint64_t *let_go;

static bool daemon_has_let_go(void) {
    return *let_go >= received;
}

static uid_t peer_of(int connection) {
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size = sizeof peer;
    (void)getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    return peer.uid;
}

// Tells a login client why it was refused, and lets go of it. Its login is not received, nor is what comes
// with it: a client reads on after the reset that a connection with something unread ends with.
static void dispose_client(size_t length, int connection) {
    uint16_t none = 0;
    memcpy(message + 6, &none, sizeof none); // the same message, without its descriptor, is the answer
    if (length > WIRE_HEADER_BYTES)
        client_tell(connection, message, length);
    (void)shutdown(connection, SHUT_WR); // it may take long until it is closed
    received++;
    closing_end(&connection, peer_of(connection));
}

// Lets go of many that have been told: they lie in the queue of a socket of the daemon's.
static void discard(struct wire_reader *reader, int bin) {
    struct wire_field field;
    uint32_t uid = (uint32_t)-1;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_UID)
            (void)wire_u32(&field, &uid);
    }
    received++;
    closing_end(&bin, uid);
}

static _Noreturn void become_supervisor(int control, int init_binary) {
    const int kept[] = {control, init_binary};
    keep_only(kept, sizeof kept / sizeof kept[0]);
    closing_forget();
    supervise(control, init_binary);
}

// What the daemon was started with is no business of the sandboxes.
static void forget_inheritance(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        (void)dup2(null, fd);
    close_fd(null);
    (void)setpriority(PRIO_PROCESS, 0, 0);
    memory_score("0");
}

static _Noreturn void become_watcher(int daemon, struct wire_reader *request) {
    const int kept[] = {daemon};
    keep_only(kept, 1);
    closing_forget();
    figures_watch(daemon, request);
}

static void obey(int init_binary) {
    int fds[WIRE_MAX_FDS];
    unsigned count;
    struct wire_reader reader;
    ssize_t length = wire_receive(LAUNCHER_FD, message, sizeof message, fds, &count);
    if (length == 0 || (length < 0 && errno != EBADMSG)) {
        *let_go = received; // it has ended, with all that it had
        _exit(0);
    }
    if (length < 0 || !wire_open(&reader, message, (size_t)length))
        return;
    if (count == 0 && reader.type == MSG_LET_GO)
        *let_go = received;
    if (count != 1)
        return; // all others have one descriptor
    if (reader.type == MSG_ERROR || reader.type == MSG_OUTSIDE || reader.type == MSG_REPORT) {
        dispose_client((size_t)length, fds[0]);
        return;
    }
    if (reader.type == MSG_DISCARD) {
        discard(&reader, fds[0]);
        return;
    }
    if (reader.type == MSG_FORK && fork() == 0)
        become_supervisor(fds[0], init_binary);
    if (reader.type == MSG_WATCH_FIGURES && fork() == 0)
        become_watcher(fds[0], &reader);
    close_fd(fds[0]);
}

static void reap(int signals) {
    struct signalfd_siginfo ignored;
    while (read(signals, &ignored, sizeof ignored) > 0)
        ;
    closing_check();
    while (waitpid(-1, NULL, WNOHANG) > 0) // supervisors that end before the launcher
        ;
}

// The launcher: forks, and does nothing else. Supervisors are not its children in the end (it ends
// with the daemon, they don't); their parent becomes whoever reaps orphans on this host.
int main(int argc, char **argv) {
    if (argc != 2 && argc != 4) {
        (void)fprintf(stderr, "dockersh-supervisor is started by dockershd, not by hand\n");
        return 64;
    }
    (void)sys_close_range(LAUNCHER_FD + 1, ~0u, 0); // what the daemon was started with
    int init_binary = open(argv[1], O_PATH | O_CLOEXEC);
    if (init_binary < 0) {
        perror(argv[1]);
        return 66;
    }
    if (argc == 4)
        screens_are(argv[2], argv[3]);
    forget_inheritance();
    let_go = mmap(NULL, sizeof *let_go, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (let_go == MAP_FAILED) {
        perror("mmap");
        return 71;
    }
    closing_when(daemon_has_let_go);
    (void)fcntl(LAUNCHER_FD, F_SETFD, FD_CLOEXEC);
    sigset_t children;
    (void)sigemptyset(&children);
    (void)sigaddset(&children, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &children, NULL);
    int signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    struct pollfd polled[] = {{.fd = LAUNCHER_FD, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (;;) {
        (void)poll(polled, 2, -1);
        if (polled[1].revents != 0)
            reap(signals);
        if (polled[0].revents != 0)
            obey(init_binary);
    }
}
