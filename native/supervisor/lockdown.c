#include "lockdown.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seccomp_filter.h" // generated at build time by native/seccomp/generate.c

#define LAST_POSSIBLE_CAPABILITY 63

static int drop_bounding_set(struct err *err) {
    for (unsigned long capability = 0; capability <= LAST_POSSIBLE_CAPABILITY; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0)
            continue;
        if (errno == EINVAL) // past the last one that this kernel knows
            return 0;
        return err_sys(err, "drop capabilities", NULL);
    }
    return 0;
}

// In this order: the bounding set needs CAP_SETPCAP, which is still there; no_new_privs must come
// before the filter, or an unprivileged caller may not install it (seccomp(2)).
int lockdown(struct err *err) {
    if (drop_bounding_set(err) != 0)
        return -1;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
        return err_sys(err, "clear ambient capabilities", NULL);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_sys(err, "set no_new_privs", NULL);
    struct sock_fprog program = {.len = sizeof seccomp_filter / sizeof seccomp_filter[0],
                                 .filter = (struct sock_filter *)(uintptr_t)seccomp_filter};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) != 0)
        return err_sys(err, "install the system call filter", NULL);
    return 0;
}
