#include "inside/become.h"

#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "inside/login.h"

#define EXIT_OURS 125

static void usual_signals(void) {
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL); // SIGKILL and SIGSTOP refuse
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

// The groups first, which takes a capability; the user last, with whom all capabilities go (capabilities(7)).
void become_user(const struct login *login) {
    usual_signals();
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            _exit(EXIT_OURS);
    if (login->uid == 0 || setgroups(login->group_count, login->groups) != 0 ||
        setresgid(login->gid, login->gid, login->gid) != 0 ||
        setresuid(login->uid, login->uid, login->uid) != 0 || setuid(0) == 0)
        _exit(EXIT_OURS);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        _exit(EXIT_OURS);
}
