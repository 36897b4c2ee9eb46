#include "web/front.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "cleanup.h"
#include "log.h"
#include "web/certificate.h"

// The ids that such processes run as: one of these each, so that none reaches another.
#define FIRST_ID 0x7ffd0000u
#define IDS 0x10000u

static const char *program;
static unsigned next_id;
static struct certificate certificate;

static _Noreturn void run(unsigned id, const int *fds, int count) {
    char number[16];
    char *const arguments[] = {"dockersh-tls", number, NULL};
    char *const environment[] = {"OPENSSL_CONF=/nonexistent", NULL};
    (void)snprintf(number, sizeof number, "%u", id);
    if (!child_prepare(fds, count))
        _exit(71);
    (void)execve(program, arguments, environment);
    log_line(LOG_ERR, "%s can't be started: %s.", program, strerror(errno));
    _exit(71);
}

// In memory alone, and gone with the last who has it.
static int write_pair(void) {
    cleanup_fd int fd = memfd_create("certificate", MFD_CLOEXEC);
    if (fd < 0 || write(fd, certificate.bytes, certificate.length) != (ssize_t)certificate.length)
        return -1;
    return take_fd(&fd);
}

void front_open(const char *given) {
    program = given;
    // Those of a listener before this one may still be there.
    if (getrandom(&next_id, sizeof next_id, 0) != (ssize_t)sizeof next_id)
        next_id = (unsigned)getpid();
}

void front_look(const struct settings *settings) {
    (void)certificate_look(&certificate, settings);
}

void front_close(void) {
    certificate_forget(&certificate);
}

int front_start(const struct settings *settings, int client) {
    int ends[2];
    if (!certificate_look(&certificate, settings)) {
        errno = ENOKEY; // which has been told of
        return -1;
    }
    cleanup_fd int pair = write_pair();
    if (pair < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return -1;
    cleanup_fd int ours = ends[0];
    cleanup_fd int theirs = ends[1];
    const int fds[] = {client, theirs, pair};
    unsigned id = FIRST_ID + next_id++ % IDS;
    pid_t pid = fork();
    if (pid == 0)
        run(id, fds, sizeof fds / sizeof fds[0]);
    return pid > 0 ? take_fd(&ours) : -1;
}
