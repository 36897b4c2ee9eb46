#include "link/setting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

int setting_write(const char *family, const char *link, const char *setting, const char *value,
                  struct err *err) {
    char path[96];
    (void)snprintf(path, sizeof path, "/proc/sys/net/%s/%s%s%s", family, link != NULL ? "conf/" : "",
                   link != NULL ? link : "", link != NULL ? "/" : "");
    size_t used = strlen(path);
    (void)snprintf(path + used, sizeof path - used, "%s", setting);
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        return err_code(err, FAILURE_NETWORK, "set the network's", path + strlen("/proc/sys/net/"));
    return 0;
}

int setting_write_if_there(const char *family, const char *link, const char *setting, const char *value,
                           struct err *err) {
    struct err tried = {0};
    if (setting_write(family, link, setting, value, &tried) == 0 || tried.number == ENOENT)
        return 0;
    *err = tried;
    return -1;
}
