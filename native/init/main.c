// dockersh-init: PID 1 of a sandbox. Reaps what is orphaned inside, and ends as soon as it is alone once the
// supervisor has asked for that; nothing else. Runs as the user namespace's root with no capability and the
// sandbox's filter, from a file that nobody inside may read, so that nobody inside may trace it or reach its
// descriptors either (ptrace(2)).
//
//   descriptor 3    the supervisor's end is the only one to say anything
//
// No signal asks for anything, because root inside (root = yes) may send signals as well. Having no handler
// would not keep them away: blocked signals are queued for PID 1 (pid_namespaces(7) is about unblocked ones),
// and their sender can be forged. So all but SIGCHLD are ignored. The supervisor's SIGKILL comes from outside
// and ends the sandbox at once.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUPERVISOR_FD 3
#define AGAIN_MS 20

static void reap(int signals) {
    struct signalfd_siginfo ignored;
    while (read(signals, &ignored, sizeof ignored) > 0)
        ;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static int hear_children(void) {
    sigset_t children;
    (void)sigemptyset(&children);
    (void)sigaddset(&children, SIGCHLD);
    (void)sigprocmask(SIG_SETMASK, &children, NULL);
    for (int number = 1; number < NSIG; number++) {
        if (number != SIGCHLD)
            (void)signal(number, SIG_IGN);
    }
    return signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
}

int main(void) {
    int signals = hear_children();
    (void)prctl(PR_SET_NAME, "dockersh-init");
    struct pollfd polled[] = {{.fd = SUPERVISOR_FD, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    int ending = 0;
    for (;;) {
        // Once it is ending it also looks by itself: the sessions are not its children.
        (void)poll(polled, 2, ending ? AGAIN_MS : -1);
        reap(signals);
        char word;
        if (polled[0].revents != 0) { // the supervisor has told everybody; we may signal nobody
            ending = 1;
            if (recv(SUPERVISOR_FD, &word, sizeof word, MSG_DONTWAIT) == 0)
                polled[0].fd = -1;
        }
        if (ending && kill(-1, 0) != 0 && errno == ESRCH)
            return 0;
    }
}
