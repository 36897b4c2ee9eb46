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
#define TRIES 16 // of free ports, until both addresses have it
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

static uint16_t port_of(int fd) {
    union place place = {0};
    socklen_t size = sizeof place;
    if (getsockname(fd, &place.any, &size) != 0)
        return 0;
    return ntohs(place.any.sa_family == AF_INET6 ? place.in6.sin6_port : place.in.sin_port);
}

// The loopback addresses that are asked for, at one port; errno says what is the matter with one that is
// missing.
static struct answered bind_loopbacks(bool four, bool six, uint16_t port) {
    struct answered answered = {.port = port};
    errno = 0;
    if (four && (answered.fds[0] = bind_port(AF_INET, port)) >= 0)
        answered.count = 1;
    if (answered.count == 1)
        answered.port = port_of(answered.fds[0]);
    int fd = six ? bind_port(AF_INET6, (uint16_t)answered.port) : CLOSED_FD;
    if (fd >= 0)
        answered.fds[answered.count++] = fd;
    if (answered.count > 0)
        answered.port = port_of(answered.fds[0]);
    return answered.count > 0 ? answered : failed();
}

// At the loopback, whatever is asked for: as sshd's without GatewayPorts. An address asks for itself, all
// else for both, of which one will do where somebody has the other.
static struct answered listen_tcp(const struct request *request) {
    bool four = strcmp(request->name, "::1") != 0, six = strcmp(request->name, "127.0.0.1") != 0;
    struct answered answered;
    for (unsigned left = TRIES; left > 0; left--) {
        answered = bind_loopbacks(four, six, (uint16_t)request->code);
        bool by_chance = request->code == 0 && four && six && answered.count == 1 && errno == EADDRINUSE;
        if (!by_chance || left == 1)
            break;
        close_fd(answered.fds[0]);
    }
    return answered;
}

static struct answered listen_display(void) {
    for (unsigned display = FIRST_DISPLAY; display <= LAST_DISPLAY; display++) {
        struct answered answered = bind_loopbacks(true, true, (uint16_t)(X11_PORT + display));
        if (answered.count > 0 && errno != EADDRINUSE) {
            answered.port = display;
            return answered;
        }
        if (answered.count > 0)
            close_fd(answered.fds[0]);
        else if (answered.code != EADDRINUSE)
            return answered;
    }
    errno = EADDRINUSE;
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
    return (struct answered){.fds = {fd}, .count = 1};
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
    return (struct answered){.fds = {fd}, .count = 1, .text = path->socket};
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
