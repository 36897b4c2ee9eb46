// Passes datagrams on: every client outside gets a socket of its own inside, so that a service can tell them
// apart, and answers come back from the address that the client has sent to.
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "publisher/publisher.h"

#define DATAGRAMS_A_TURN 32
#define LARGEST 65535
// Without a datagram either way. A program that roams (mosh) makes a new one when it comes back.
#define FLOW_PATIENCE (180 * SECONDS)
#define FLOWS_OF_ONE_PORT 128

struct flow {
    struct watch inside;
    struct port *port;
    struct flow *next, **place; // the one that was used last comes first
    uint64_t used_ns;
    struct timer timer;
    bool six;
    struct sockaddr_in6 client; // or sockaddr_in
    socklen_t client_size;
    size_t local_size;
    uint8_t local[CMSG_SPACE(sizeof(struct in6_pktinfo))]; // which address it has sent to
};

static struct flow *flows;
static unsigned count;
static uint8_t bytes[LARGEST];

static void link_first(struct flow *flow) {
    flow->next = flows;
    flow->place = &flows;
    if (flow->next != NULL)
        flow->next->place = &flow->next;
    flows = flow;
}

static void unlink_flow(struct flow *flow) {
    *flow->place = flow->next;
    if (flow->next != NULL)
        flow->next->place = flow->place;
}

static void end(struct flow *flow) {
    loop_close(&flow->inside);
    timer_clear(&flow->timer);
    unlink_flow(flow);
    count--;
    loop_free_later(flow);
}

void datagrams_end(const struct port *port) {
    struct flow *next;
    for (struct flow *flow = flows; flow != NULL; flow = next) {
        next = flow->next;
        if (flow->port == port)
            end(flow);
    }
}

static void is_due(struct timer *timer) {
    struct flow *flow = OWNER(timer, struct flow, timer);
    uint64_t ends = flow->used_ns + FLOW_PATIENCE;
    if (ends <= loop_now() || !timer_set(timer, ends))
        end(flow);
}

// ---- out of the sandbox --------------------------------------------------------------------------------

static void inside_ready(struct watch *watch, uint32_t events);

static bool connect_inside(struct flow *flow) {
    flow->inside.ready = inside_ready;
    return loop_add(&flow->inside, inside_connect(SOCK_DGRAM, flow->six, flow->port->inside), EPOLLIN);
}

// Nobody listens there. False: the flow has ended.
static bool try_other_family(struct flow *flow) {
    loop_close(&flow->inside);
    flow->six = !flow->six;
    if (connect_inside(flow))
        return true;
    end(flow);
    return false;
}

static void inside_ready(struct watch *watch, uint32_t events) {
    struct flow *flow = OWNER(watch, struct flow, inside);
    (void)events;
    for (int turn = 0; turn < DATAGRAMS_A_TURN; turn++) {
        ssize_t length = recv(watch->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (length < 0) {
            if (errno == ECONNREFUSED)
                (void)try_other_family(flow);
            return;
        }
        struct iovec part = {bytes, (size_t)length};
        struct msghdr message = {.msg_name = &flow->client,
                                 .msg_namelen = flow->client_size,
                                 .msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = flow->local_size > 0 ? flow->local : NULL,
                                 .msg_controllen = flow->local_size};
        (void)sendmsg(flow->port->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        flow->used_ns = loop_now();
    }
}

// ---- into it -------------------------------------------------------------------------------------------

// The kernel's word on where a datagram was sent to, as what an answer is sent from.
static void keep_local(struct flow *flow, struct msghdr *message) {
    flow->local_size = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        struct cmsghdr *kept = (struct cmsghdr *)(void *)flow->local;
        memset(flow->local, 0, sizeof flow->local);
        if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(header), sizeof info);
            const struct in_pktinfo from = {.ipi_spec_dst = info.ipi_spec_dst};
            *kept = (struct cmsghdr){
                .cmsg_len = CMSG_LEN(sizeof from), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO};
            memcpy(CMSG_DATA(kept), &from, sizeof from);
            flow->local_size = CMSG_SPACE(sizeof from);
        } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo from;
            memcpy(&from, CMSG_DATA(header), sizeof from);
            if (!IN6_IS_ADDR_LINKLOCAL(&from.ipi6_addr))
                from.ipi6_ifindex = 0; // the way back may be another one
            *kept = (struct cmsghdr){
                .cmsg_len = CMSG_LEN(sizeof from), .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO};
            memcpy(CMSG_DATA(kept), &from, sizeof from);
            flow->local_size = CMSG_SPACE(sizeof from);
        }
    }
}

// The one of this client's; of so many, the one that has been still for the longest makes room for another.
static struct flow *find(const struct port *port, const struct msghdr *message) {
    struct flow *last = NULL, *last_of_all = NULL;
    unsigned of_port = 0;
    for (struct flow *flow = flows; flow != NULL; flow = flow->next) {
        last_of_all = flow;
        if (flow->port != port)
            continue;
        if (flow->client_size == message->msg_namelen &&
            memcmp(&flow->client, message->msg_name, message->msg_namelen) == 0)
            return flow;
        last = flow;
        of_port++;
    }
    if (of_port >= FLOWS_OF_ONE_PORT)
        end(last);
    else if (count >= FLOWS_MOST)
        end(last_of_all);
    return NULL;
}

static struct flow *begin(struct port *port, const struct msghdr *message) {
    struct flow *flow = count >= FLOWS_MOST ? NULL : calloc(1, sizeof *flow);
    if (flow == NULL)
        return NULL;
    flow->port = port;
    flow->timer.due = is_due;
    memcpy(&flow->client, message->msg_name, message->msg_namelen);
    flow->client_size = message->msg_namelen;
    if (!timer_set(&flow->timer, loop_now() + FLOW_PATIENCE)) {
        free(flow);
        return NULL;
    }
    link_first(flow);
    count++;
    if (connect_inside(flow))
        return flow;
    end(flow);
    return NULL;
}

void datagrams_begin(const struct port *port) {
    int on = 1; // the one of the other family fails
    (void)setsockopt(port->watch.fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    (void)setsockopt(port->watch.fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
}

void datagrams_ready(struct watch *listener, uint32_t events) {
    struct port *port = OWNER(listener, struct port, watch);
    (void)events;
    for (int turn = 0; turn < DATAGRAMS_A_TURN; turn++) {
        struct sockaddr_in6 client = {0};
        union {
            struct cmsghdr align;
            uint8_t space[128];
        } control;
        struct iovec part = {bytes, sizeof bytes};
        struct msghdr message = {.msg_name = &client,
                                 .msg_namelen = sizeof client,
                                 .msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control.space,
                                 .msg_controllen = sizeof control.space};
        ssize_t length = recvmsg(listener->fd, &message, MSG_DONTWAIT);
        if (length < 0)
            return;
        struct flow *flow = find(port, &message);
        if (flow == NULL)
            flow = begin(port, &message);
        if (flow == NULL)
            continue;
        unlink_flow(flow);
        link_first(flow);
        keep_local(flow, &message);
        flow->used_ns = loop_now();
        // What has been refused is told of the next one, which then was not sent.
        if (send(flow->inside.fd, bytes, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
            errno == ECONNREFUSED && try_other_family(flow))
            (void)send(flow->inside.fd, bytes, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}
