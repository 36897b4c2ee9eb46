#include "network/publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "closing.h"
#include "keep.h"
#include "publisher/publisher.h"
#include "wire.h"

#define ANSWER_PATIENCE_MS 1000
#define WAITING_CONNECTIONS 128

struct publication {
    struct net_prefix address;
    enum net_protocol protocol;
    uint16_t outside, inside;
    uint32_t id;
    bool wanted;
    bool of_many; // of a range of UDP: whoever wants one of them goes on to the next
    int missing;  // why it could not be had (errno); 0: it is published
};

// ---- what is published ----------------------------------------------------------------------------------

static struct publication *find(const struct publisher *publisher, const struct publication *one) {
    for (size_t index = 0; index < publisher->count; index++) {
        struct publication *other = &publisher->list[index];
        if (other->protocol == one->protocol && other->outside == one->outside &&
            other->inside == one->inside && other->address.family == one->address.family &&
            memcmp(other->address.address, one->address.address, sizeof one->address.address) == 0)
            return other;
    }
    return NULL;
}

static struct publication *one_more(struct publisher *publisher, const struct publication *one) {
    if (publisher->count == publisher->room) {
        size_t room = publisher->room == 0 ? 8 : publisher->room * 2;
        struct publication *larger = realloc(publisher->list, room * sizeof *larger);
        if (larger == NULL)
            return NULL;
        publisher->list = larger;
        publisher->room = room;
    }
    struct publication *place = &publisher->list[publisher->count++];
    *place = *one;
    place->id = ++publisher->last_id;
    return place;
}

static int listen_at(const struct publication *one, struct err *err) {
    char text[INET6_ADDRSTRLEN], object[INET6_ADDRSTRLEN + 16];
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(one->outside)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(one->outside)};
    int family = one->address.family, on = 1;
    bool stream = one->protocol == NET_TCP;
    memcpy(&four.sin_addr, one->address.address, sizeof four.sin_addr);
    memcpy(&six.sin6_addr, one->address.address, sizeof six.sin6_addr);
    const struct sockaddr *address =
        family == AF_INET ? (const struct sockaddr *)&four : (const struct sockaddr *)&six;
    socklen_t size = family == AF_INET ? sizeof four : sizeof six;
    (void)inet_ntop(family, one->address.address, text, sizeof text);
    (void)snprintf(object, sizeof object, "%s %s port %u", stream ? "tcp" : "udp", text, one->outside);
    cleanup_fd int fd = socket(family, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        (stream && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) ||
        bind(fd, address, size) != 0 || (stream && listen(fd, WAITING_CONNECTIONS) != 0))
        return err_code(err, FAILURE_PORT, "publish", object);
    return take_fd(&fd);
}

// ---- the process ----------------------------------------------------------------------------------------

// One that does not listen is not asked again: it ends with its connection.
static bool say(struct publisher *publisher, enum wire_type type, const struct publication *one, int fd) {
    uint8_t bytes[128];
    struct wire_writer writer;
    unsigned count = fd >= 0 ? 1 : 0;
    wire_start(&writer, bytes, sizeof bytes, type);
    if (one != NULL) {
        wire_put_u32(&writer, TAG_SLOT, one->id);
        wire_put_u32(&writer, TAG_CODE, one->inside);
        wire_put_u32(&writer, TAG_KIND, one->protocol == NET_TCP ? 1 : 0);
    }
    if (publisher->control >= 0 &&
        wire_send(publisher->control, bytes, wire_finish(&writer, count), &fd, count) == 0)
        return true;
    close_fd_at(&publisher->control);
    return false;
}

static int start(struct publisher *publisher, int network, const struct cgroups *cgroups, uid_t id,
                 struct err *err) {
    // One that is paused with its sandbox reads nothing meanwhile, and must not hold the supervisor up.
    const struct timeval patience = {.tv_sec = 1};
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return err_sys(err, "make a socket pair", NULL);
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    pid_t pid = fork();
    if (pid == 0) {
        struct err ignored = {0}; // whoever can't be put there runs as the supervisor does
        if (cgroups != NULL)
            (void)cgroups_attach(cgroups, getpid(), &ignored);
        const int kept[] = {pair[1], network};
        keep_only(kept, sizeof kept / sizeof kept[0]);
        closing_forget();
        publisher_run(pair[1], network, id);
    }
    close_fd(pair[1]);
    publisher->control = pair[0];
    if (pid < 0) {
        close_fd_at(&publisher->control);
        return err_fork(err, FAILURE_SYSTEM, "start what publishes ports", NULL);
    }
    publisher->pid = pid;
    return 0;
}

void publish_lost(struct publisher *publisher) {
    publisher->pid = 0;
    close_fd_at(&publisher->control);
    free(publisher->list);
    publisher->list = NULL;
    publisher->count = publisher->room = 0;
}

void publish_end(struct publisher *publisher) {
    if (publisher->pid > 0) {
        (void)kill(publisher->pid, SIGKILL);
        while (waitpid(publisher->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    publish_lost(publisher);
}

// ---- changes --------------------------------------------------------------------------------------------

typedef int each_port(struct publisher *publisher, const struct publication *one, struct err *err);

static struct publication one_of(const struct net_published *range, unsigned offset) {
    bool is_many = range->outside.first < range->outside.last;
    return (struct publication){.address = range->address,
                                .protocol = range->protocol,
                                .outside = (uint16_t)(range->outside.first + offset),
                                .inside = (uint16_t)(range->inside.first + offset),
                                .of_many = is_many && range->protocol == NET_UDP};
}

// Of a range of UDP, whose user takes any that is there (mosh), one is enough.
static int for_range(struct publisher *publisher, const struct net_published *range, each_port *each,
                     struct err *err) {
    const struct err before = *err;
    unsigned good = 0, bad = 0;
    for (unsigned offset = 0; offset <= (unsigned)(range->outside.last - range->outside.first); offset++) {
        const struct publication one = one_of(range, offset);
        *(each(publisher, &one, err) == 0 ? &good : &bad) += 1;
    }
    if (bad > 0 && (range->protocol != NET_UDP || good == 0))
        return -1;
    *err = before;
    return 0;
}

// Calls `each` for every single port of the plan.
static int for_each(struct publisher *publisher, const struct net_plan *plan, each_port *each,
                    struct err *err) {
    int result = 0;
    unsigned total = 0;
    for (size_t index = 0; index < plan->published_count; index++) {
        const struct net_ports *outside = &plan->published[index].outside;
        total += outside->last - outside->first + 1u;
    }
    if (total > PUBLISHED_MOST)
        return err_plain(err, FAILURE_NETWORK, "more ports are published than one sandbox can have", NULL);
    for (size_t index = 0; index < plan->published_count; index++) {
        if (for_range(publisher, &plan->published[index], each, err) != 0)
            result = -1;
    }
    return result;
}

static int want(struct publisher *publisher, const struct publication *one, struct err *err) {
    struct publication *known = find(publisher, one);
    (void)err;
    // One that is held inside, or not, because it was of many, or not, begins anew.
    if (known == NULL || (known->missing != 0 && known->of_many != one->of_many))
        return 0;
    known->wanted = true;
    known->of_many = one->of_many;
    return 0;
}

// The first one is told.
static int fail(struct err *err, const struct err *failed) {
    if (err->code == FAILURE_NONE)
        *err = *failed;
    return -1;
}

// One that can't be had is remembered with the reason. Of a range of UDP it is held inside as well:
// mosh-server would choose it, and its client talk to another program of the host's for ever.
static int add(struct publisher *publisher, const struct publication *one, struct err *err) {
    struct publication *known = find(publisher, one);
    if (known != NULL && known->missing == 0)
        return 0;
    struct err failed = {0};
    cleanup_fd int fd = listen_at(one, &failed);
    if (known != NULL && fd < 0)
        return fail(err, &failed);
    if (known != NULL && known->of_many)
        (void)say(publisher, MSG_UNPUBLISH, known, CLOSED_FD); // it was held
    if (known == NULL)
        known = one_more(publisher, one);
    if (known != NULL)
        known->missing = failed.code == FAILURE_NONE ? 0 : failed.number;
    if (known == NULL || ((fd >= 0 || known->of_many) && !say(publisher, MSG_PUBLISH, known, fd)))
        (void)err_plain(&failed, FAILURE_SYSTEM, "what publishes ports has ended", NULL);
    return failed.code == FAILURE_NONE ? 0 : fail(err, &failed);
}

// Waits until what it was told is done, as long as it is worth the wait.
static void await_done(struct publisher *publisher) {
    if (!say(publisher, MSG_HELLO, NULL, CLOSED_FD))
        return;
    uint8_t ignored[64];
    struct pollfd answer = {.fd = publisher->control, .events = POLLIN};
    if (poll(&answer, 1, ANSWER_PATIENCE_MS) > 0)
        (void)!recv(publisher->control, ignored, sizeof ignored, MSG_DONTWAIT);
}

// Waits until they are closed: others may want the same ports.
static void drop_unwanted(struct publisher *publisher) {
    size_t kept = 0;
    for (size_t index = 0; index < publisher->count; index++) {
        struct publication *one = &publisher->list[index];
        if (one->wanted)
            publisher->list[kept++] = *one;
        else
            (void)say(publisher, MSG_UNPUBLISH, one, CLOSED_FD);
    }
    bool dropped = kept < publisher->count;
    publisher->count = kept;
    if (dropped)
        await_done(publisher);
}

static bool holds_some_inside(const struct publisher *publisher) {
    for (size_t index = 0; index < publisher->count; index++) {
        if (publisher->list[index].of_many && publisher->list[index].missing != 0)
            return true;
    }
    return false;
}

int publish_apply(struct publisher *publisher, const struct net_plan *plan, int network,
                  const struct cgroups *cgroups, uid_t id, struct err *err) {
    for (size_t index = 0; index < publisher->count; index++)
        publisher->list[index].wanted = false;
    if (for_each(publisher, plan, want, err) != 0)
        return -1;
    drop_unwanted(publisher);
    if (plan->published_count == 0) {
        publish_end(publisher);
        return 0;
    }
    if (publisher->pid == 0 && start(publisher, network, cgroups, id, err) != 0)
        return -1;
    int result = for_each(publisher, plan, add, err);
    // A mosh-server that starts at once must find them taken.
    if (holds_some_inside(publisher))
        await_done(publisher);
    return result;
}

int publish_missing(const struct publisher *publisher, const struct net_published *range, unsigned offset) {
    const struct publication one = one_of(range, offset);
    const struct publication *known = find(publisher, &one);
    return known == NULL ? ENOSPC : known->missing;
}

bool publish_some_are_missing(const struct publisher *publisher) {
    for (size_t index = 0; index < publisher->count; index++) {
        if (publisher->list[index].missing != 0)
            return true;
    }
    return false;
}
