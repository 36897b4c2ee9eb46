#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "sys.h"

#define FIRST 3
#define MOST 8

// When memory is short they go first.
static void score(void) {
    cleanup_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)!write(fd, "800", 3);
}

// Where several are to be put into low places, none of them may lie there already.
static bool place(const int *fds, int count) {
    int high[FIRST + MOST];
    for (int index = 0; index < count; index++) {
        high[index] = fcntl(fds[index], F_DUPFD_CLOEXEC, 32);
        if (high[index] < 0)
            return false;
    }
    for (int index = 0; index < count; index++)
        if (dup2(high[index], index) < 0)
            return false;
    return sys_close_range((unsigned)count, ~0u, 0) == 0;
}

bool child_prepare(const int *fds, int count) {
    sigset_t none;
    int all[FIRST + MOST];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    all[0] = all[1] = null;
    all[2] = STDERR_FILENO;
    for (int index = 0; index < count && index < MOST; index++)
        all[FIRST + index] = fds[index];
    score();
    if (null < 0 || count > MOST || !place(all, FIRST + count) || chdir("/") != 0)
        return false;
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid();
    return true;
}
