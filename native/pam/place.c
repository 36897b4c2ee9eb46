#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "cleanup.h"

// The one that a child is forked in; there is one connection in a process of sshd's.
static struct place *current;

// The kernel sends SIGTERM to this process when the other end is closed, shut down, or its owner killed.
// Without anybody's help: F_SETOWN, F_SETSIG and O_ASYNC of fcntl(2).
static int hear_of_end(int fd) {
    if (fcntl(fd, F_SETOWN, getpid()) != 0 || fcntl(fd, F_SETSIG, SIGTERM) != 0)
        return -1;
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_ASYNC);
}

// In sshd's child, which becomes the user's: it gets nothing that says or does anything. What it keeps is the
// witness, a pipe that nobody reads: by this it hears of the end on its own, and is counted until it has
// ended.
static void in_child(void) {
    if (current == NULL)
        return;
    close_fd_at(&current->connection);
    close_fd_at(&current->mount);
    close_fd_at(&current->network);
    close_fd_at(&current->uts);
    if (current->witness >= 0)
        (void)hear_of_end(current->witness);
}

int place_open(struct place *place) {
    *place = (struct place){.connection = CLOSED_FD, .witness = CLOSED_FD};
    place->mount = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    place->network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    place->uts = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
    return place->mount < 0 || place->network < 0 || place->uts < 0 ? -1 : 0;
}

static int go_back(const struct place *place) {
    if (setns(place->mount, CLONE_NEWNS) != 0 || setns(place->network, CLONE_NEWNET) != 0 ||
        setns(place->uts, CLONE_NEWUTS) != 0)
        return -1;
    return 0;
}

static bool has_ended(int connection) {
    struct pollfd polled = {.fd = connection, .events = POLLIN | POLLRDHUP};
    return poll(&polled, 1, 0) != 0;
}

static int enter(struct place *place, const struct answer *answer) {
    // The mount namespace last: it asks for a process with one thread, and nothing is opened from there on.
    if (setns(answer->namespaces[1], CLONE_NEWNET) != 0 || setns(answer->namespaces[2], CLONE_NEWUTS) != 0 ||
        setns(answer->namespaces[0], CLONE_NEWNS) != 0 || chdir("/") != 0)
        return -1;
    static bool registered;
    if (!registered && (errno = pthread_atfork(NULL, NULL, in_child)) != 0)
        return -1;
    registered = true;
    if (hear_of_end(place->connection) != 0)
        return -1;
    // What came before the flags were set, nobody has been told of.
    if (!has_ended(place->connection))
        return 0;
    errno = ECONNRESET;
    return -1;
}

int place_enter(struct place *place, struct answer *answer) {
    place->connection = take_fd(&answer->connection);
    place->witness = take_fd(&answer->witness);
    current = place;
    int entered = enter(place, answer);
    answer_close(answer);
    place->joined = true;
    if (entered == 0)
        return 0;
    int failure = errno;
    if (place_return(place) != 0)
        _exit(255); // neither here nor there: nobody is to be logged in from such a place
    errno = failure;
    return -1;
}

int place_return(struct place *place) {
    int flags = place->connection >= 0 ? fcntl(place->connection, F_GETFL) : -1;
    if (flags >= 0)
        (void)fcntl(place->connection, F_SETFL, flags & ~O_ASYNC);
    int back = place->joined ? go_back(place) : 0;
    if (back == 0)
        place->joined = false;
    current = NULL;
    close_fd_at(&place->connection);
    close_fd_at(&place->witness);
    return back;
}

void place_close(struct place *place) {
    if (current == place)
        current = NULL;
    close_fd_at(&place->connection);
    close_fd_at(&place->witness);
    close_fd_at(&place->mount);
    close_fd_at(&place->network);
    close_fd_at(&place->uts);
}
