#include "listen/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"
#include "sys.h"

#define POOL_MOST 64
#define REQUESTS_FD 3
#define SIGNATURES_FD 4
#define SCRIPT_FD 5
#define SCRIPT "/proc/self/fd/5"

static const struct gateway_program *program;
static struct servant waiting[POOL_MOST];
static unsigned waiting_count, waiting_most, next_slot;

void pool_open(const struct gateway_program *given, unsigned size) {
    program = given;
    // Those of a listener before this one may still be there: not every listener begins with the same ids.
    if (getrandom(&next_slot, sizeof next_slot, 0) != (ssize_t)sizeof next_slot)
        next_slot = (unsigned)getpid();
    pool_resize(size);
}

void pool_resize(unsigned size) {
    waiting_most = size < POOL_MOST ? size : POOL_MOST;
    while (waiting_count > waiting_most)
        servant_close(&waiting[--waiting_count]);
}

// It ends when both of its sockets do.
void servant_close(struct servant *servant) {
    close_fd_at(&servant->process);
    close_fd_at(&servant->requests);
    close_fd_at(&servant->signatures);
}

// ---- starting ------------------------------------------------------------------------------------------

// When memory is short they go first.
static void score(void) {
    cleanup_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)!write(fd, "800", 3);
}

// Where several are to be put into low places, none of them may lie there already.
static bool place(const int *fds, int first, int count) {
    int high[8];
    for (int index = 0; index < count; index++) {
        high[index] = fcntl(fds[index], F_DUPFD_CLOEXEC, 32);
        if (high[index] < 0)
            return false;
    }
    for (int index = 0; index < count; index++)
        if (dup2(high[index], first + index) < 0)
            return false;
    return sys_close_range((unsigned)(first + count), ~0u, 0) == 0;
}

static _Noreturn void run(unsigned slot, int requests, int signatures) {
    struct err err = {0};
    char *arguments[16] = {(char *)(uintptr_t)program->node, "--max-old-space-size=256",
                           "--max-semi-space-size=4", "--preserve-symlinks-main", SCRIPT};
    char *const environment[] = {"NODE_NO_WARNINGS=1", "LANG=C.UTF-8", "OPENSSL_CONF=/nonexistent",
                                 "UV_THREADPOOL_SIZE=2", NULL};
    sigset_t none;
    char text[400];
    for (size_t index = 0; index < 8 && program->addons[index] != NULL; index++)
        arguments[5 + index] = (char *)(uintptr_t)program->addons[index];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), script = open(program->script, O_RDONLY | O_CLOEXEC);
    const int fds[] = {null, null, STDERR_FILENO, requests, signatures, script};
    score();
    if (null < 0 || script < 0 || !place(fds, 0, 6) || chdir("/") != 0)
        _exit(71);
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid();
    if (rights_drop(program, slot, &err) == 0) {
        (void)execve(program->node, arguments, environment);
        (void)err_sys(&err, "execute", program->node);
    }
    err_text(&err, text, sizeof text);
    log_line(LOG_ERR, "A connection process can't start: %s.", text);
    _exit(71);
}

static bool start(struct servant *servant) {
    int requests[2], signatures[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, requests) != 0)
        return false;
    cleanup_fd int our_requests = requests[0];
    cleanup_fd int their_requests = requests[1];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, signatures) != 0)
        return false;
    cleanup_fd int our_signatures = signatures[0];
    cleanup_fd int their_signatures = signatures[1];
    unsigned slot = next_slot++ % GATEWAY_IDS;
    pid_t pid = fork();
    if (pid == 0)
        run(slot, their_requests, their_signatures);
    if (pid < 0)
        return false;
    *servant = (struct servant){.pid = pid, .process = sys_pidfd_open(pid)};
    servant->requests = take_fd(&our_requests);
    servant->signatures = take_fd(&our_signatures);
    return true;
}

bool pool_take(struct servant *servant) {
    if (waiting_count == 0)
        return start(servant);
    *servant = waiting[0];
    memmove(&waiting[0], &waiting[1], --waiting_count * sizeof waiting[0]);
    return true;
}

bool pool_fill(void) {
    if (waiting_count >= waiting_most || !start(&waiting[waiting_count]))
        return false;
    waiting_count++;
    return waiting_count < waiting_most;
}

bool pool_lost(pid_t pid) {
    for (unsigned index = 0; index < waiting_count; index++) {
        if (waiting[index].pid != pid)
            continue;
        servant_close(&waiting[index]);
        memmove(&waiting[index], &waiting[index + 1], (--waiting_count - index) * sizeof waiting[0]);
        return true;
    }
    return false;
}

void pool_close(void) {
    pool_resize(0);
}
