#include "inside/forward/forwarder.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "inside/become.h"
#include "inside/forward/bounds.h"
#include "inside/forward/connect.h"
#include "inside/forward/listen.h"
#include "inside/forward/rights.h"
#include "inside/login.h"
#include "sys.h"
#include "wire.h"

#define SOCKET 3
#define WITNESS 4
#define MOST_DESCRIPTORS 64
// Longer than the kernel tries to reach somebody.
#define PATIENCE_S 150

static struct worker {
    pid_t pid;
    uint32_t slot;
} workers[MOST_PENDING];

static int fail(uint32_t slot, int code) {
    const struct answered answered = {.slot = slot, .code = code, .text = strerror(code)};
    return tell_opened(SOCKET, &answered);
}

// ---- who connects: a process for each, because names are asked for
// --------------------------------------------

static _Noreturn void work(const struct request *request) {
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)alarm(PATIENCE_S);
    const struct answered answered = connect_inside(request);
    _exit(tell_opened(SOCKET, &answered) == 0 ? 0 : 1);
}

static int start_worker(const struct request *request) {
    struct worker *worker = NULL;
    for (size_t index = 0; index < MOST_PENDING && worker == NULL; index++)
        if (workers[index].pid == 0)
            worker = &workers[index];
    pid_t pid = worker == NULL ? -1 : fork();
    if (pid == 0)
        work(request);
    if (pid < 0)
        return fail(request->slot, EAGAIN);
    *worker = (struct worker){.pid = pid, .slot = request->slot};
    return 0;
}

// One that has ended otherwise than after its answer has not given any.
static int reap(void) {
    int told = 0;
    for (size_t index = 0; index < MOST_PENDING; index++) {
        int status;
        if (workers[index].pid == 0 || waitpid(workers[index].pid, &status, WNOHANG) != workers[index].pid)
            continue;
        if (WIFSIGNALED(status))
            told |= fail(workers[index].slot, WTERMSIG(status) == SIGALRM ? ETIMEDOUT : ECONNABORTED);
        workers[index].pid = 0;
    }
    return told;
}

// ---- requests, which the monitor has looked at
// ----------------------------------------------------------------

static int answer(const uint8_t *bytes, size_t length) {
    static struct request request;
    int told = 0;
    if (!request_read(&request, bytes, length)) {
        request_free(&request);
        return -1;
    }
    if (request.type == MSG_GW_CLOSE) {
        listen_close(request.slot);
    } else if (request.type == MSG_GW_LISTEN) {
        const struct answered answered = listen_inside(&request);
        told = tell_opened(SOCKET, &answered);
        for (unsigned index = 0; index < answered.count; index++)
            close_fd(answered.fds[index]);
    } else {
        told = start_worker(&request);
    }
    request_free(&request);
    return told;
}

static void serve(int signals) {
    uint8_t bytes[4096];
    for (;;) {
        struct pollfd polled[] = {{.fd = SOCKET, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
        struct signalfd_siginfo info;
        int fds[WIRE_MAX_FDS];
        unsigned count = 0;
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            return;
        if (polled[1].revents != 0 && read(signals, &info, sizeof info) > 0) {
            if (info.ssi_signo != SIGCHLD || reap() != 0)
                return;
        }
        if (polled[0].revents == 0)
            continue;
        ssize_t length = wire_receive(SOCKET, bytes, sizeof bytes, fds, &count);
        for (unsigned index = 0; index < count; index++)
            close_fd(fds[index]);
        if (length <= 0 || answer(bytes, (size_t)length) != 0)
            return;
    }
}

// Signals that end it are read, so that no path is left behind.
static int read_signals(void) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

_Noreturn void forwarder_run(const struct login *login, int socket, int witness) {
    const struct rlimit descriptors = {.rlim_cur = MOST_DESCRIPTORS, .rlim_max = MOST_DESCRIPTORS};
    struct err err = {0};
    // Above those that they become, first: either may be where the other goes.
    int own = dup(socket), kept = dup(witness);
    if (own < 0 || kept < 0 || dup2(own, SOCKET) < 0 || dup2(kept, WITNESS) < 0 ||
        sys_close_range(WITNESS + 1, ~0u, 0) != 0)
        _exit(1);
    (void)prctl(PR_SET_NAME, "dockersh-forward", 0, 0, 0);
    become_user(login);
    int signals = read_signals();
    if (signals < 0 || setrlimit(RLIMIT_NOFILE, &descriptors) != 0 ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || forward_rights_drop(&err) != 0)
        _exit(1);
    serve(signals);
    listen_close_all();
    _exit(0);
}
