#include "profile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

// The profiles name the folders of what the package has installed, not of what was built to be tried.
#define INSTALLED "/usr/lib/dockersh/dockersh-layer"

int profile_open(void) {
    char program[sizeof INSTALLED + 1];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program);
    if (length != sizeof INSTALLED - 1 || memcmp(program, INSTALLED, (size_t)length) != 0)
        return CLOSED_FD;
    return open("/proc/thread-self/attr/apparmor/current", O_WRONLY | O_CLOEXEC);
}

void profile_enter(int *attribute, const char *job) {
    char order[64];
    int length = snprintf(order, sizeof order, "changeprofile dockersh-layer-%s", job);
    if (*attribute >= 0)
        (void)!write(*attribute, order, (size_t)length);
    close_fd_at(attribute);
}
