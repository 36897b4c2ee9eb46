#include "keeper/rights.h"

#include <sys/ioctl.h>

#include "confined.h"

#define MOST_DESCRIPTORS 64

// Of ioctl(2) only what sets a terminal's size, and what asks whether it echoes.
#define CALLS_TERMINAL                                                                                       \
    CALLS_IS(SYS_ioctl, 6), CALLS_ARGUMENT(1), CALLS_IS(TIOCSWINSZ, 1), CALLS_RETURN(SECCOMP_RET_ALLOW),     \
        CALLS_IS(TCGETS, 1), CALLS_RETURN(SECCOMP_RET_ALLOW), CALLS_REFUSE

static const struct sock_filter filter[] = {
    CALLS_OF_THIS_MACHINE,      CALLS_ALLOW(read),       CALLS_ALLOW(write),
#ifdef SYS_poll
    CALLS_ALLOW(poll),
#endif
    CALLS_ALLOW(ppoll),         CALLS_ALLOW(recvfrom),   CALLS_ALLOW(recvmsg),  CALLS_ALLOW(sendto),
    CALLS_ALLOW(sendmsg),       CALLS_ALLOW(setsockopt), CALLS_ALLOW(shutdown), CALLS_ALLOW(close),
    CALLS_ALLOW(clock_gettime), CALLS_OF_EVERY_PROGRAM,  CALLS_TERMINAL,        CALLS_REFUSE,
};

int keeper_rights(uid_t id, struct err *err) {
    return confined_servant(id, MOST_DESCRIPTORS, filter, sizeof filter / sizeof filter[0], err);
}
