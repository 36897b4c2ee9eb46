// The launcher of supervisors: started once by the daemon, as root. It forks a supervisor for every request,
// because forking this small program takes a tenth of a millisecond and forking the daemon several.
// Supervisors are started ahead of time and wait for their sandbox.
//
//   dockersh-supervisor INIT_BINARY     requests come on descriptor 3
//
// Trusts the daemon, whose child it is and with which it ends.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "supervisor.h"
#include "sys.h"

#define LAUNCHER_FD 3

static uint8_t message[WIRE_MAX_BYTES];

// Tells a login client why it was refused, and lets go of it; or lets go of many that have been told
// (`answer` is false). In a process that exits for it: what a client has queued on its connection may hold
// descriptors whose last close waits for as long as the client likes (SO_LINGER), unless the closing process
// is exiting. So we are never the last to close: the child waits until our own copy is gone.
static void dispose_client(size_t length, int connection, bool answer) {
    int pair[2] = {CLOSED_FD, CLOSED_FD};
    uint16_t none = 0;
    memcpy(message + 6, &none, sizeof none); // the same message, without its descriptor, is the answer
    if (pipe2(pair, O_CLOEXEC) == 0 && fork() == 0) {
        static uint8_t unread[WIRE_MAX_BYTES];
        int fds[WIRE_MAX_FDS];
        unsigned count;
        char ignored;
        close_fd(pair[1]);
        (void)!read(pair[0], &ignored, 1);
        // A socket that ends with something unread resets its peer, who would then miss the answer.
        for (int messages = 0;
             answer && messages < 8 && wire_receive(connection, unread, sizeof unread, fds, &count) > 0;)
            messages++;
        if (answer && length > WIRE_HEADER_BYTES)
            (void)wire_send(connection, message, length, NULL, 0);
        _exit(0);
    }
    close_fd(connection);
    close_fd(pair[0]);
    close_fd(pair[1]);
}

static _Noreturn void become_supervisor(int control, int init_binary) {
    close_fd(LAUNCHER_FD);
    (void)signal(SIGCHLD, SIG_DFL);
    supervise(control, init_binary);
}

// What the daemon was started with is no business of the sandboxes.
static void forget_inheritance(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        (void)dup2(null, fd);
    close_fd(null);
    (void)setpriority(PRIO_PROCESS, 0, 0);
    int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score >= 0)
        (void)!write(score, "0", 1);
    close_fd(score);
}

// The launcher: forks, and does nothing else. Supervisors are not its children in the end (it ends
// with the daemon, they don't); their parent becomes whoever reaps orphans on this host.
int main(int argc, char **argv) {
    if (argc != 2) {
        (void)fprintf(stderr, "dockersh-supervisor is started by dockershd, not by hand\n");
        return 64;
    }
    (void)sys_close_range(LAUNCHER_FD + 1, ~0u, 0); // what the daemon was started with
    int init_binary = open(argv[1], O_PATH | O_CLOEXEC);
    if (init_binary < 0) {
        perror(argv[1]);
        return 66;
    }
    forget_inheritance();
    (void)fcntl(LAUNCHER_FD, F_SETFD, FD_CLOEXEC);
    (void)signal(SIGCHLD, SIG_IGN); // no zombies of supervisors that end before the launcher
    for (;;) {
        int fds[WIRE_MAX_FDS];
        unsigned count;
        struct wire_reader reader;
        ssize_t length = wire_receive(LAUNCHER_FD, message, sizeof message, fds, &count);
        if (length == 0 || (length < 0 && errno != EBADMSG))
            return 0;
        if (length < 0 || count != 1 || !wire_open(&reader, message, (size_t)length))
            continue; // the daemon's messages have one descriptor
        if (reader.type == MSG_ERROR || reader.type == MSG_OUTSIDE || reader.type == MSG_DISCARD) {
            dispose_client((size_t)length, fds[0], reader.type != MSG_DISCARD);
            continue;
        }
        if (reader.type == MSG_FORK && fork() == 0)
            become_supervisor(fds[0], init_binary);
        close_fd(fds[0]);
    }
}
