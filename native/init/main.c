// dockersh-init: PID 1 of a sandbox. Reaps what is orphaned inside, and after SIGTERM ends as soon as it is
// alone; nothing else. Runs as the user namespace's root with no capability and the sandbox's filter, from
// a file that nobody inside may read, so that nobody inside may trace it either (ptrace(2)).
//
// Signals reach PID 1 from inside only where it has a handler (pid_namespaces(7)); it has none, it
// waits for them. The supervisor's SIGKILL comes from outside and ends the sandbox at once.
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void reap(void) {
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

int main(void) {
    sigset_t set;
    (void)sigfillset(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)prctl(PR_SET_NAME, "dockersh-init");
    int ending = 0;
    for (;;) {
        // Once it is ending it also looks by itself: the sessions are not its children.
        struct timespec again = {.tv_nsec = 20 * 1000 * 1000};
        int number = ending ? sigtimedwait(&set, NULL, &again) : sigwaitinfo(&set, NULL);
        reap();
        if (number == SIGTERM) // the supervisor has told everybody; we may signal nobody
            ending = 1;
        if (ending && kill(-1, 0) != 0 && errno == ESRCH)
            return 0;
    }
}
