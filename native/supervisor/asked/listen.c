#include "asked/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "client.h"

// The folder may be there already, made by whoever makes the network's files at the same time.
int asked_listen(int run, int *listener, struct err *err) {
    const char *folder = strrchr(ASKING_FOLDER, '/') + 1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s/%s", run, folder,
                   ASKING_NAME);
    cleanup_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if ((mkdirat(run, folder, 0755) != 0 && errno != EEXIST) || fd < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0 ||
        chmod(address.sun_path, 0666) != 0)
        return err_sys(err, "listen in the sandbox", ASKING_SOCKET);
    *listener = take_fd(&fd);
    return 0;
}
