#include "inside/forward/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "inside/forward/bounds.h"

#define BACKLOG 128
// As sshd's: the first displays are those of real ones.
#define FIRST_DISPLAY 10
#define LAST_DISPLAY 1000
#define X11_PORT 6000
#define AGENT_FOLDER "/tmp/ssh-XXXXXXXXXX"

union place {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

static struct path {
    uint32_t slot;
    char folder[64]; // to be removed as well; empty: none
    char socket[sizeof((struct sockaddr_un *)0)->sun_path];
} paths[MOST_LISTENING];

static struct answered failed(void) {
    int failure = errno;
    return (struct answered){.code = failure, .text = strerror(failure)};
}

// ---- ports ----------------------------------------------------------------------------------------------

static int bind_port(int family, uint16_t port) {
    union place place = {0};
    socklen_t size = family == AF_INET6 ? sizeof place.in6 : sizeof place.in;
    int on = 1;
    cleanup_fd int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (family == AF_INET6)
        place.in6 = (struct sockaddr_in6){
            .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    else
        place.in = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        bind(fd, &place.any, size) != 0 || listen(fd, BACKLOG) != 0)
        return -1;
    return take_fd(&fd);
}

// At the loopback, whatever is asked for: as sshd's without GatewayPorts. "::1" asks for that of IPv6.
static struct answered listen_tcp(const struct request *request) {
    int family = strcmp(request->name, "::1") == 0 ? AF_INET6 : AF_INET;
    int fd = bind_port(family, (uint16_t)request->code);
    union place place = {0};
    socklen_t size = sizeof place;
    if (fd < 0 || getsockname(fd, &place.any, &size) != 0)
        return failed();
    uint16_t port = family == AF_INET6 ? place.in6.sin6_port : place.in.sin_port;
    return (struct answered){.fd = fd, .port = ntohs(port)};
}

static struct answered listen_display(void) {
    for (unsigned display = FIRST_DISPLAY; display <= LAST_DISPLAY; display++) {
        int fd = bind_port(AF_INET, (uint16_t)(X11_PORT + display));
        if (fd >= 0)
            return (struct answered){.fd = fd, .port = display};
        if (errno != EADDRINUSE)
            return failed();
    }
    return failed();
}

// ---- paths ----------------------------------------------------------------------------------------------

static struct path *free_path(void) {
    for (size_t index = 0; index < MOST_LISTENING; index++)
        if (paths[index].socket[0] == '\0')
            return &paths[index];
    errno = EMFILE;
    return NULL;
}

// A socket that nobody is at any more: of a connection that was lost.
static bool is_left_over(const union place *place) {
    struct stat info;
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && lstat(place->un.sun_path, &info) == 0 && S_ISSOCK(info.st_mode) &&
           connect(fd, &place->any, sizeof place->un) != 0 && errno == ECONNREFUSED;
}

static int bind_path(const char *path) {
    union place place = {.un = {.sun_family = AF_UNIX}};
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (strlen(path) >= sizeof place.un.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    (void)strcpy(place.un.sun_path, path);
    mode_t before = umask(0177);
    int bound = fd < 0 ? -1 : bind(fd, &place.any, sizeof place.un);
    if (bound != 0 && fd >= 0 && errno == EADDRINUSE) {
        if (is_left_over(&place) && unlink(path) == 0)
            bound = bind(fd, &place.any, sizeof place.un);
        else
            errno = EADDRINUSE;
    }
    (void)umask(before);
    return bound == 0 && listen(fd, BACKLOG) == 0 ? take_fd(&fd) : -1;
}

static struct answered listen_unix(const struct request *request) {
    struct path *path = free_path();
    int fd = path == NULL ? -1 : bind_path(request->name);
    if (fd < 0)
        return failed();
    path->slot = request->slot;
    (void)strcpy(path->socket, request->name); // which fits: bind_path()
    return (struct answered){.fd = fd};
}

static struct answered listen_agent(const struct request *request) {
    struct path *path = free_path();
    char folder[] = AGENT_FOLDER, name[sizeof path->socket];
    if (path == NULL || mkdtemp(folder) == NULL)
        return failed();
    (void)snprintf(name, sizeof name, "%s/agent.%u", folder, (unsigned)getpid());
    int fd = bind_path(name);
    if (fd < 0) {
        struct answered answered = failed();
        (void)rmdir(folder);
        return answered;
    }
    path->slot = request->slot;
    (void)strcpy(path->folder, folder);
    (void)strcpy(path->socket, name);
    return (struct answered){.fd = fd, .text = path->socket};
}

struct answered listen_inside(const struct request *request) {
    struct answered answered = strcmp(request->kind, "tcp") == 0    ? listen_tcp(request)
                               : strcmp(request->kind, "unix") == 0 ? listen_unix(request)
                               : strcmp(request->kind, "x11") == 0  ? listen_display()
                                                                    : listen_agent(request);
    answered.slot = request->slot;
    return answered;
}

static void close_path(struct path *path) {
    if (path->socket[0] != '\0')
        (void)unlink(path->socket);
    if (path->folder[0] != '\0')
        (void)rmdir(path->folder);
    *path = (struct path){0};
}

void listen_close(uint32_t slot) {
    for (size_t index = 0; index < MOST_LISTENING; index++)
        if (paths[index].slot == slot && paths[index].socket[0] != '\0')
            close_path(&paths[index]);
}

void listen_close_all(void) {
    for (size_t index = 0; index < MOST_LISTENING; index++)
        close_path(&paths[index]);
}
