#include "publisher/rights.h"

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
    return confined_servant(id, MOST_DESCRIPTORS, filter, sizeof filter / sizeof filter[0], err);
}
