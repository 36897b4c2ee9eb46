#include "listen/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"
#include "cleanup.h"
#include "log.h"
#include "sys.h"

#define REQUESTS_FD 3
#define SIGNATURES_FD 4
#define SCRIPT_FD 5
#define SCRIPT "/proc/self/fd/5"

static unsigned next_slot;

void pool_open(struct pool *pool, const struct gateway_program *program) {
    *pool = (struct pool){.program = program};
    // Those of a listener before this one may still be there: not every listener begins with the same ids.
    if (next_slot == 0 && getrandom(&next_slot, sizeof next_slot, 0) != (ssize_t)sizeof next_slot)
        next_slot = (unsigned)getpid();
}

void pool_resize(struct pool *pool, unsigned size) {
    pool->most = size < POOL_MOST ? size : POOL_MOST;
    while (pool->count > pool->most)
        servant_close(&pool->waiting[--pool->count]);
}

// It ends when both of its sockets do.
void servant_close(struct servant *servant) {
    close_fd_at(&servant->process);
    close_fd_at(&servant->requests);
    close_fd_at(&servant->signatures);
}

// ---- starting ------------------------------------------------------------------------------------------

static _Noreturn void run(const struct gateway_program *program, unsigned slot, int requests,
                          int signatures) {
    struct err err = {0};
    char *arguments[16] = {(char *)(uintptr_t)program->node, "--max-old-space-size=256",
                           "--max-semi-space-size=4", "--preserve-symlinks-main", SCRIPT};
    char *const environment[] = {"NODE_NO_WARNINGS=1", "LANG=C.UTF-8", "OPENSSL_CONF=/nonexistent",
                                 "UV_THREADPOOL_SIZE=2", NULL};
    char text[400];
    for (size_t index = 0; index < 8 && program->addons[index] != NULL; index++)
        arguments[5 + index] = (char *)(uintptr_t)program->addons[index];
    const int fds[] = {requests, signatures, open(program->script, O_RDONLY | O_CLOEXEC)};
    if (fds[2] < 0 || !child_prepare(fds, 3))
        _exit(71);
    if (rights_drop(program, slot, &err) == 0) {
        (void)execve(program->node, arguments, environment);
        (void)err_sys(&err, "execute", program->node);
    }
    err_text(&err, text, sizeof text);
    log_line(LOG_ERR, "A connection process can't start: %s.", text);
    _exit(71);
}

static bool start(const struct gateway_program *program, struct servant *servant) {
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
        run(program, slot, their_requests, their_signatures);
    if (pid < 0)
        return false;
    *servant = (struct servant){.pid = pid, .process = sys_pidfd_open(pid)};
    servant->requests = take_fd(&our_requests);
    servant->signatures = take_fd(&our_signatures);
    return true;
}

bool pool_take(struct pool *pool, struct servant *servant) {
    if (pool->count == 0)
        return start(pool->program, servant);
    *servant = pool->waiting[0];
    memmove(&pool->waiting[0], &pool->waiting[1], --pool->count * sizeof pool->waiting[0]);
    return true;
}

bool pool_fill(struct pool *pool) {
    if (pool->count >= pool->most || !start(pool->program, &pool->waiting[pool->count]))
        return false;
    pool->count++;
    return pool->count < pool->most;
}

bool pool_lost(struct pool *pool, pid_t pid) {
    for (unsigned index = 0; index < pool->count; index++) {
        if (pool->waiting[index].pid != pid)
            continue;
        servant_close(&pool->waiting[index]);
        memmove(&pool->waiting[index], &pool->waiting[index + 1],
                (--pool->count - index) * sizeof pool->waiting[0]);
        return true;
    }
    return false;
}
