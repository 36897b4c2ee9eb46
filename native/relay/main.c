// dockersh-relay: answers the sandboxes' questions to the domain name system. One process for the host,
// started by the daemon as root, which it gives up at once; it outlives the daemon, as sandboxes do. It asks
// the servers that the host's own resolv.conf names, from the host's side, so that names are in a sandbox
// what they are on the host.
//
//   dockersh-relay SOCKET [RESOLV_CONF]
//
// Supervisors connect to the socket and hand over two sockets that they have opened in a sandbox's network
// (service.c). It trusts them, and neither who asks nor who answers. It ends when nobody has been connected
// for a while. Where another relay already runs for the same socket, this one ends at once and says nothing.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "follow.h"
#include "loop.h"
#include "profile.h"
#include "rights.h"
#include "serve/service.h"
#include "sys.h"

// Which build of the program this is: a daemon that has another one starts that instead.
static int name_program(char *name, size_t size, struct err *err) {
    struct stat status;
    if (stat("/proc/self/exe", &status) != 0)
        return err_sys(err, "stat", "/proc/self/exe");
    (void)snprintf(name, size, "%" PRIu64 ":%" PRIu64 ":%" PRId64 "%09ld", (uint64_t)status.st_dev,
                   (uint64_t)status.st_ino, (int64_t)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    return 0;
}

// Held for as long as this process lives. 1: another one has it.
static int lock(const char *path, struct err *err) {
    char name[sizeof((struct sockaddr_un *)0)->sun_path + sizeof ".lock"];
    (void)snprintf(name, sizeof name, "%s.lock", path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(err, "open", name);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    int number = errno;
    close_fd(fd);
    errno = number;
    return number == EWOULDBLOCK ? 1 : err_sys(err, "lock", name);
}

// With the lock nobody else answers at the path, if there is a socket left.
static int listen_at(const char *path, struct err *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)strcpy(address.sun_path, path);
    (void)unlink(path);
    cleanup_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0)
        return err_disk(err, FAILURE_SYSTEM, "listen at", path);
    return take_fd(&fd);
}

// The daemon's log as well: it may be a pipe to somebody who waits for its end.
static void forget_inheritance(void) {
    cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        (void)dup2(null, fd);
    (void)setsid();
    (void)setpriority(PRIO_PROCESS, 0, 0);
    (void)!chdir("/");
}

static int start(const char *path, const char *resolv_conf, struct err *err) {
    static char name[96];
    if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return err_plain(err, FAILURE_USAGE, "the socket's path is too long", path);
    (void)sys_close_range(3, ~0u, 0);
    (void)umask(0177);
    int other = lock(path, err);
    if (other != 0)
        return other;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    cleanup_fd int listener = listen_at(path, err);
    if (listener < 0 || name_program(name, sizeof name, err) != 0 || loop_open(err) != 0 ||
        follow_start(resolv_conf, err) != 0 || service_start(take_fd(&listener), name, err) != 0)
        return -1;
    return 0;
}

static int complain(int log, const struct err *err) {
    char text[400];
    err_text(err, text, sizeof text);
    (void)dprintf(log, "dockersh-relay: %s\n", text);
    return FAILURE_SYSTEM;
}

int main(int argc, char **argv) {
    struct err err = {0};
    if (argc < 2 || argc > 3) {
        (void)fprintf(stderr, "dockersh-relay is started by dockershd, not by hand\n");
        return FAILURE_USAGE;
    }
    const char *resolv_conf = argc == 3 ? argv[2] : "/etc/resolv.conf";
    int started = start(argv[1], resolv_conf, &err);
    if (started != 0)
        return started > 0 ? 0 : complain(STDERR_FILENO, &err);
    int log = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    int attribute = profile_open("dockersh-relay");
    forget_inheritance();
    profile_enter(&attribute, "dockersh-relay");
    if (rights_drop(resolv_conf, &err) != 0)
        return complain(log, &err);
    close_fd(log);
    while (!service_is_idle())
        loop_turn();
    return 0;
}
