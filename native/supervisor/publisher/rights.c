#include "publisher/rights.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "confined.h"

#define MOST_DESCRIPTORS 16384

static const struct sock_filter filter[] = {
    CALLS_OF_THIS_MACHINE,
    CALLS_ALLOW(splice),
#ifdef SYS_epoll_wait
    CALLS_ALLOW(epoll_wait),
#endif
    CALLS_ALLOW(epoll_pwait),
    CALLS_ALLOW(epoll_ctl),
    CALLS_ALLOW(recvfrom),
    CALLS_ALLOW(recvmsg),
    CALLS_ALLOW(sendto),
    CALLS_ALLOW(sendmsg),
    CALLS_ALLOW(connect),
    CALLS_ALLOW(accept4),
    CALLS_ALLOW(shutdown),
    CALLS_ALLOW(setsockopt),
    CALLS_ALLOW(bind),
    CALLS_ALLOW(pipe2),
    CALLS_ALLOW(close),
    CALLS_ALLOW(clock_gettime),
    CALLS_OF_EVERY_PROGRAM,
    CALLS_INTERNET_SOCKETS,
    CALLS_REFUSE,
};

int publisher_rights(uid_t id, struct err *err) {
    const struct rlimit descriptors = {.rlim_cur = MOST_DESCRIPTORS, .rlim_max = MOST_DESCRIPTORS},
                        none = {0};
    if (setrlimit(RLIMIT_NOFILE, &descriptors) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
        return err_sys(err, "setrlimit", NULL);
    if (confined_ids(id, err) != 0)
        return -1;
    // Another id clears it (prctl(2)).
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return err_sys(err, "end with the supervisor", NULL);
    return confined_calls(filter, sizeof filter / sizeof filter[0], err);
}
