#include "start/lockdown.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seccomp_filter.h" // generated at build time by script/gen-seccomp.ts

#define LAST_POSSIBLE_CAPABILITY 63

// What root inside has: enough to install software and to become anybody inside. Nothing that sets up
// mounts, networks or devices, traces, or is about the machine. All of it counts for the sandbox's user
// namespace alone.
static const unsigned long roots[] = {CAP_CHOWN,   CAP_DAC_OVERRIDE,    CAP_FOWNER, CAP_FSETID,
                                      CAP_KILL,    CAP_SETGID,          CAP_SETUID, CAP_SETPCAP,
                                      CAP_SETFCAP, CAP_NET_BIND_SERVICE};

static bool is_roots(unsigned long capability) {
    for (size_t index = 0; index < sizeof roots / sizeof roots[0]; index++) {
        if (roots[index] == capability)
            return true;
    }
    return false;
}

// With nesting, setuid programs that give ids to a namespace of the user's (newuidmap) want CAP_SYS_ADMIN
// towards it. It opens nothing that the user is not root of anyway in such a namespace: what is mounted in
// the sandbox is locked against its own root as well (mount_namespaces(7)).
static bool is_kept(unsigned long capability, const struct freedom *freedom) {
    return freedom->root && (is_roots(capability) || (freedom->nesting && capability == CAP_SYS_ADMIN));
}

static int drop_bounding_set(const struct freedom *freedom, struct err *err) {
    for (unsigned long capability = 0; capability <= LAST_POSSIBLE_CAPABILITY; capability++) {
        if (is_kept(capability, freedom))
            continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0)
            continue;
        if (errno == EINVAL) // past the last one that this kernel knows
            return 0;
        return err_sys(err, "drop capabilities", NULL);
    }
    return 0;
}

static int install(const struct sock_fprog *program, struct err *err) {
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, program) != 0)
        return err_sys(err, "install the system call filter", NULL);
    return 0;
}

// Ours comes last: of two that refuse, the error of the one that was installed last counts, and what is to be
// as if the kernel did not have it (clone3) must not become "not permitted".
static int install_filters(bool nesting, const struct filters *filters, struct err *err) {
    for (unsigned index = 0; index < filters->count; index++) {
        if (install(&filters->programs[index], err) != 0)
            return -1;
    }
    if (filters->alone)
        return 0;
    struct sock_fprog program = {.len = sizeof seccomp_filter / sizeof seccomp_filter[0],
                                 .filter = (struct sock_filter *)(uintptr_t)seccomp_filter};
    if (nesting) {
        program.len = sizeof seccomp_nesting_filter / sizeof seccomp_nesting_filter[0];
        program.filter = (struct sock_filter *)(uintptr_t)seccomp_nesting_filter;
    }
    return install(&program, err);
}

// In this order: the bounding set needs CAP_SETPCAP, which is still there; no_new_privs must come
// before the filters, or an unprivileged caller may not install them (seccomp(2)). Where setuid programs
// are to have their effect there is no no_new_privs, and CAP_SYS_ADMIN, which is still there, installs them.
int lockdown(const struct freedom *freedom, const struct filters *filters, struct err *err) {
    if (drop_bounding_set(freedom, err) != 0)
        return -1;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
        return err_sys(err, "clear ambient capabilities", NULL);
    if (!freedom->root && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_sys(err, "set no_new_privs", NULL);
    return install_filters(freedom->nesting, filters, err);
}
