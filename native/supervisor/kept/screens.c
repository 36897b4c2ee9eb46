#include "kept/screens.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cgroup/memory.h"
#include "cleanup.h"
#include "kept/screen_rights.h"
#include "sys.h"

#define SCRIPT_FD "3"

static const char *programs[2];

void screens_are(const char *node, const char *script) {
    programs[0] = node;
    programs[1] = script;
}

static _Noreturn void run(const struct supervisor *supervisor, int socket) {
    struct err err = {0};
    sigset_t none;
    char *const arguments[] = {(char *)programs[0],        "--max-old-space-size=64",
                               "--max-semi-space-size=2",  "--preserve-symlinks-main",
                               "/proc/self/fd/" SCRIPT_FD, NULL};
    char *const environment[] = {"NODE_NO_WARNINGS=1", "LANG=C.UTF-8", "OPENSSL_CONF=/nonexistent", NULL};
    if (supervisor->cgroups.version == 1)
        (void)cgroups_attach(&supervisor->cgroups, getpid(), &err);
    memory_score("1000"); // of all that is short of memory in the sandbox it goes first
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    // By its number: Node looks for files of its own in all folders above a script's path.
    int script = open(programs[1], O_RDONLY | O_CLOEXEC);
    int high = fcntl(script, F_DUPFD_CLOEXEC, 16);
    if (null < 0 || high < 0 || dup2(socket, 0) < 0 || dup2(socket, 1) < 0 || dup2(null, 2) < 0 ||
        dup2(high, atoi(SCRIPT_FD)) < 0 || sys_close_range((unsigned)atoi(SCRIPT_FD) + 1, ~0u, 0) != 0 ||
        chdir("/") != 0)
        _exit(71);
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (screen_rights(supervisor->spec.root_uid, programs[0], programs[1], &err) == 0)
        (void)execve(programs[0], arguments, environment);
    _exit(71);
}

pid_t screen_start(const struct supervisor *supervisor, int *socket) {
    struct err ignored = {0};
    struct sys_clone_args args = {.exit_signal = SIGCHLD};
    cleanup_fd int cgroup = CLOSED_FD;
    int pair[2];
    if (programs[0] == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    cleanup_fd int ours = pair[0];
    cleanup_fd int theirs = pair[1];
    if (cgroups_birth(&supervisor->cgroups, &supervisor->spec, true, &args, &cgroup, &ignored) != 0)
        return -1; // it would be bounded by nothing
    pid_t pid = sys_clone3(&args);
    if (pid == 0)
        run(supervisor, theirs);
    if (pid > 0)
        *socket = take_fd(&ours);
    return pid;
}
