#include "session/agent.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "sys.h"
#include "variables.h"

// sshd makes a socket for the agent of each connection, which goes with it: a program that goes on (tmux, an
// editor's server) would be left with one that is gone. So each agent is noted in a folder of the user's, as
// a link whose name says when it came, and sessions get the address of a small process that connects whoever
// asks to the newest agent that answers. One for the sandbox: who holds the lock. All of it runs inside as
// the user, in folders of the user's own, and can do nothing that the user could not.

#define FOLDER "dockersh-agents"
#define ADDRESS "dockersh-agent"
#define MOST_AGENTS 256
// How long an agent may take to answer while there is another one.
#define PATIENCE_SECONDS 5
// Descriptors of the process that answers.
#define LOCK 3
#define LISTENER 4

static int newest_first(const struct dirent **one, const struct dirent **other) {
    return strcmp((*other)->d_name, (*one)->d_name);
}

static int is_agent(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

// The names in the folder, newest first; to be freed one by one.
static int list(struct dirent ***names) {
    return scandir(".", names, is_agent, newest_first);
}

static bool write_all(int to, const char *bytes, size_t length) {
    for (size_t sent = 0; sent < length;) {
        ssize_t now = write(to, bytes + sent, length - sent);
        if (now <= 0)
            return false;
        sent += (size_t)now;
    }
    return true;
}

// Copies what one has to say to the other; false: there is nothing more to come, or nobody to hear it.
static bool copy(int from, int to) {
    char bytes[8192];
    ssize_t got = read(from, bytes, sizeof bytes);
    return got > 0 && write_all(to, bytes, (size_t)got);
}

// Without any agent each request has failed (SSH_AGENT_FAILURE): who asks would die of SIGPIPE otherwise.
static _Noreturn void refuse(int client) {
    static const char failure[] = {0, 0, 0, 1, 5};
    char bytes[8192];
    while (read(client, bytes, sizeof bytes) > 0 && write(client, failure, sizeof failure) > 0)
        continue;
    _exit(0);
}

// Whether it says which keys it has, for which no agent has to ask anybody.
static bool lists_keys(int agent) {
    static const char request[] = {0, 0, 0, 1, 11}; // SSH_AGENTC_REQUEST_IDENTITIES
    char bytes[8192];
    uint32_t length;
    if (!write_all(agent, request, sizeof request) ||
        recv(agent, &length, sizeof length, MSG_WAITALL) != sizeof length)
        return false;
    for (size_t left = ntohl(length); left > 0;) {
        ssize_t got = read(agent, bytes, left < sizeof bytes ? left : sizeof bytes);
        if (got <= 0)
            return false;
        left -= (size_t)got;
    }
    return true;
}

static void wait_for(int agent, time_t seconds) {
    struct timeval time = {.tv_sec = seconds};
    (void)setsockopt(agent, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    (void)setsockopt(agent, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
}

// Its connection is there and says nothing, as where the client's machine sleeps. From now on it is asked
// when all others have gone, until another session of its connection makes it the newest again.
static void put_last(const char *name) {
    char last[256];
    int length = snprintf(last, sizeof last, "+%s", name);
    if (name[0] != '+' && length > 0 && (size_t)length < sizeof last)
        (void)rename(name, last);
}

// A connection to an agent, or -1. What can't be connected to is none any more. The last one there is may
// take as long as it likes.
static int connect_to(const char *name, bool is_last) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%.100s", name);
    if (fd < 0)
        return -1;
    if (!is_last)
        wait_for(fd, PATIENCE_SECONDS);
    bool connects = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    if (!connects && errno != EAGAIN) {
        (void)unlink(name);
        return -1;
    }
    if (!connects || (!is_last && !lists_keys(fd))) {
        put_last(name);
        return -1;
    }
    wait_for(fd, 0);
    return take_fd(&fd);
}

// A connection to the newest agent that answers, or -1.
static int connect_newest(void) {
    struct dirent **names = NULL;
    int count = list(&names), found = -1;
    for (int index = 0; index < count; index++) {
        if (found < 0)
            found = connect_to(names[index]->d_name, index == count - 1);
        free(names[index]);
    }
    free(names);
    return found;
}

// Requests and answers take turns, so that neither side ever waits for the other to read.
static _Noreturn void serve(int client) {
    // Who holds these is who answers.
    close_fd(LOCK);
    close_fd(LISTENER);
    int agent = connect_newest();
    if (agent < 0)
        refuse(client);
    struct pollfd polled[] = {{.fd = client, .events = POLLIN}, {.fd = agent, .events = POLLIN}};
    while (poll(polled, 2, -1) > 0)
        if ((polled[0].revents != 0 && !copy(client, agent)) ||
            (polled[1].revents != 0 && !copy(agent, client)))
            break;
    _exit(0);
}

// A process for each that asks: they are few, and hold up nobody but themselves.
static _Noreturn void relay(void) {
    (void)signal(SIGCHLD, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int client = accept4(LISTENER, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ECONNABORTED))
            (void)poll(NULL, 0, 100);
        else if (client < 0 && errno != EINTR)
            _exit(0);
        if (client < 0)
            continue;
        if (fork() == 0)
            serve(client);
        close_fd(client);
    }
}

// Leaves the session: its descriptors, its terminal, its parent. The lock goes along, and with it the right
// to the address.
static bool begin(int lock, int listener) {
    sigset_t none;
    pid_t pid = fork();
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    if (pid != 0)
        return pid > 0;
    if (setsid() < 0 || fork() != 0)
        _exit(0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    // Above what they are put to, so that neither is in the way of the other.
    int high_lock = fcntl(lock, F_DUPFD_CLOEXEC, 16), high_listener = fcntl(listener, F_DUPFD_CLOEXEC, 16);
    if (null < 0 || high_lock < 0 || high_listener < 0)
        _exit(0);
    for (int fd = 0; fd < 3; fd++)
        if (dup2(null, fd) < 0)
            _exit(0);
    if (dup2(high_lock, LOCK) < 0 || dup2(high_listener, LISTENER) < 0 ||
        sys_close_range(LISTENER + 1, ~0u, 0) != 0)
        _exit(0);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_NAME, "dockersh-agent");
    relay();
}

// Has somebody answer at the address. The folder is the current one.
static bool answer(const char *address_path) {
    cleanup_fd int lock = open(".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (lock < 0)
        return false;
    if (flock(lock, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cleanup_fd int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t length = strlen(address_path);
    if (length >= sizeof address.sun_path)
        return false;
    memcpy(address.sun_path, address_path, length);
    (void)unlink(address_path);
    if (listener < 0 || bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 64) != 0)
        return false;
    return begin(lock, listener);
}

// One that is there already, of another session of the same connection, is the newest once more.
static bool note(const char *agent) {
    struct dirent **names = NULL;
    int count = list(&names);
    for (int index = 0; index < count; index++) {
        char target[sizeof((struct sockaddr_un *)0)->sun_path + 1];
        ssize_t length = readlink(names[index]->d_name, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        if (index >= MOST_AGENTS || strcmp(target, agent) == 0)
            (void)unlink(names[index]->d_name);
        free(names[index]);
    }
    free(names);
    struct timespec now;
    char name[64];
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    (void)snprintf(name, sizeof name, "%012lld.%09ld.%d", (long long)now.tv_sec, now.tv_nsec, (int)getpid());
    return symlink(agent, name) == 0;
}

char *agent_follow(char *const *environment) {
    static char assignment[sizeof((struct sockaddr_un *)0)->sun_path + sizeof "SSH_AUTH_SOCK="];
    const char *agent = variable_of(environment, "SSH_AUTH_SOCK="),
               *folder = variable_of(environment, "XDG_RUNTIME_DIR=");
    if (agent == NULL || folder == NULL || agent[0] != '/' || folder[0] != '/' ||
        strlen(agent) >= sizeof((struct sockaddr_un *)0)->sun_path ||
        variable_of(environment, "SSH_CONNECTION=") == NULL)
        return NULL;
    int length = snprintf(assignment, sizeof assignment, "SSH_AUTH_SOCK=%s/" ADDRESS, folder);
    const char *address = assignment + strlen("SSH_AUTH_SOCK=");
    if (length < 0 || (size_t)length >= sizeof assignment || strcmp(agent, address) == 0)
        return NULL;
    cleanup_fd int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    mode_t mask = umask(077);
    bool follows = before >= 0 && chdir(folder) == 0 && (mkdir(FOLDER, 0700) == 0 || errno == EEXIST) &&
                   chdir(FOLDER) == 0 && note(agent) && answer(address);
    (void)umask(mask);
    if (before >= 0 && fchdir(before) != 0)
        (void)chdir("/");
    return follows ? assignment : NULL;
}
