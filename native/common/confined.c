#include "confined.h"

#include <grp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <unistd.h>

int confined_calls(const struct sock_filter *filter, size_t count, struct err *err) {
    const struct sock_fprog program = {.len = (unsigned short)count,
                                       .filter = (struct sock_filter *)(uintptr_t)filter};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        return err_sys(err, "install a system call filter", NULL);
    return 0;
}

// The groups first, which takes a capability; the user last, with whom all capabilities go (capabilities(7)).
// Then what a program could give back (no_new_privs), and who could reach in (dumpable, which setresuid() has
// cleared, too).
int confined_ids(uid_t id, struct err *err) {
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            return err_sys(err, "drop a capability from the bounding set", NULL);
    }
    if (setgroups(0, NULL) != 0 || setresgid(id, id, id) != 0 || setresuid(id, id, id) != 0)
        return err_sys(err, "give up root's ids", NULL);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_sys(err, "set no_new_privs", NULL);
    return 0;
}
