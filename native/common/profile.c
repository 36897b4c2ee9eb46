#include "profile.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

// The profiles name the folders of what the package has installed, not of what was built to be tried.
#define INSTALLED "/usr/lib/dockersh/"

int profile_open(const char *program) {
    char own[PATH_MAX], installed[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    (void)snprintf(installed, sizeof installed, INSTALLED "%s", program);
    if (length < 0 || (size_t)length != strlen(installed) || memcmp(own, installed, (size_t)length) != 0)
        return CLOSED_FD;
    return open("/proc/thread-self/attr/apparmor/current", O_WRONLY | O_CLOEXEC);
}

void profile_enter(int *attribute, const char *profile) {
    char order[96];
    int length = snprintf(order, sizeof order, "changeprofile %s", profile);
    if (*attribute >= 0)
        (void)!write(*attribute, order, (size_t)length);
    close_fd_at(attribute);
}
