#include "rights.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cleanup.h"
#include "confined.h"

#define BYTES_MOST (UINT64_C(64) << 20)
#define DESCRIPTORS_MOST 16

// It reads, writes and waits. It opens nothing, makes no socket and no process, and reaches none.
static const struct sock_filter filter[] = {
    CALLS_OF_THIS_MACHINE,  CALLS_ALLOW(read),   CALLS_ALLOW(write),        CALLS_ALLOW(ppoll),
    CALLS_ALLOW(shutdown),  CALLS_ALLOW(close),  CALLS_ALLOW(getrandom),    CALLS_ALLOW(clock_gettime),
    CALLS_ALLOW(futex),     CALLS_ALLOW(getpid),
#ifdef __x86_64__
    CALLS_ALLOW(poll),      CALLS_ALLOW(time),   CALLS_ALLOW(gettimeofday),
#endif
    CALLS_OF_EVERY_PROGRAM, CALLS_REFUSE,
};

int rights_drop(uid_t id, struct err *err) {
    const struct rlimit none = {0}, data = {.rlim_cur = BYTES_MOST, .rlim_max = BYTES_MOST};
    const struct rlimit most = {.rlim_cur = DESCRIPTORS_MOST, .rlim_max = DESCRIPTORS_MOST};
    cleanup_fd int rules = CLOSED_FD;
    if (setrlimit(RLIMIT_FSIZE, &none) != 0 || setrlimit(RLIMIT_DATA, &data) != 0 ||
        setrlimit(RLIMIT_NOFILE, &most) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
        return err_sys(err, "setrlimit", NULL);
    if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0)
        return err_sys(err, "unshare", NULL);
    if (confined_rules(1, &rules, err) != 0 || confined_restrict(rules, err) != 0)
        return -1;
    // It ends when one of its sockets does: connections outlive the listener.
    if (confined_ids(id, err) != 0)
        return -1;
    return confined_calls(filter, sizeof filter / sizeof filter[0], err);
}
