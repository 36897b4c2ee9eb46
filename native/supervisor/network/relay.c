#include "network/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cleanup.h"
#include "rules/rules.h"
#include "shared.h"
#include "wire.h"

#define DNS_PORT 53
#define WAITING_CONNECTIONS 16
// Of a lookup's addresses (native/relay/dns/pins.c).
#define MOST_AT_ONCE 256
// The first time at once: another relay may have taken the place already.
#define RETRY_NS 20000000u
#define MOST_RETRIES_DOUBLED 6

// NET_PIN, docs/protocol.md.
struct pin {
    uint16_t set;
    uint8_t family, unused;
    uint32_t seconds;
    uint8_t address[16];
};

static uint8_t message[WIRE_MAX_BYTES];

static int open_socket(int type, const struct net_plan *plan, struct err *err) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(DNS_PORT)};
    int on = 1;
    memcpy(&address.sin_addr, plan->resolver.address, sizeof address.sin_addr);
    cleanup_fd int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        (type == SOCK_STREAM && listen(fd, WAITING_CONNECTIONS) != 0))
        return err_sys(err, "open a socket for names", plan->link);
    return take_fd(&fd);
}

int relay_open(struct relay *relay, const struct net_plan *plan, struct err *err) {
    if (plan->relay == NULL || plan->resolver.family != AF_INET)
        return 0;
    relay->udp = open_socket(SOCK_DGRAM, plan, err);
    relay->tcp = relay->udp < 0 ? CLOSED_FD : open_socket(SOCK_STREAM, plan, err);
    if (relay->tcp >= 0)
        return 0;
    close_fd_at(&relay->udp);
    return -1;
}

static void lose(struct relay *relay) {
    close_fd_at(&relay->connection);
    uint32_t doubled = relay->failures < MOST_RETRIES_DOUBLED ? relay->failures : MOST_RETRIES_DOUBLED;
    relay->retry_at_ns = monotonic_ns() + (relay->failures == 0 ? 0 : RETRY_NS << doubled);
    relay->failures++;
}

static bool serve(struct relay *relay, const struct net_plan *plan, unsigned count) {
    const int sockets[] = {relay->udp, relay->tcp};
    struct wire_writer writer;
    wire_start(&writer, message, sizeof message, MSG_RELAY_SERVE);
    wire_put_u32(&writer, TAG_CODE, ++relay->generation);
    wire_put(&writer, TAG_NET_DNS, plan->dns, plan->dns_bytes);
    return wire_send(relay->connection, message, wire_finish(&writer, count), sockets, count) == 0;
}

// Never waited for: a relay that can't take it now is asked again later.
void relay_connect(struct relay *relay, const struct net_plan *plan) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    close_fd_at(&relay->connection);
    relay->retry_at_ns = UINT64_MAX;
    if (relay->udp < 0 || plan->relay == NULL || strlen(plan->relay) >= sizeof address.sun_path)
        return;
    (void)strcpy(address.sun_path, plan->relay);
    relay->connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (relay->connection < 0 ||
        connect(relay->connection, (struct sockaddr *)&address, sizeof address) != 0 ||
        !serve(relay, plan, 2)) {
        relay->failures += relay->failures == 0 ? 1 : 0;
        lose(relay);
    }
}

void relay_renew(struct relay *relay, const struct net_plan *plan) {
    if (relay->connection >= 0 && !serve(relay, plan, 0))
        lose(relay);
}

// The sets of a plan that is no longer in force may have other numbers.
static bool is_of_this_plan(struct wire_reader reader, uint32_t generation) {
    uint32_t told = 0;
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.tag == TAG_CODE)
            (void)wire_u32(&field, &told);
    }
    return told == generation;
}

// Those of one set and family, which are put into it together.
struct pins {
    struct net_pin list[MOST_AT_ONCE];
    size_t count;
    uint16_t set;
};

static enum failure put(struct pins *pins, const struct net_plan *plan, int rules) {
    struct err err = {0};
    size_t count = pins->count;
    pins->count = 0;
    return count == 0 || rules_pin(rules, plan, pins->set, pins->list, count, &err) == 0 ? FAILURE_NONE
                                                                                         : err.code;
}

static bool is_among(const struct pins *pins, const struct net_prefix *address) {
    for (size_t index = 0; index < pins->count; index++) {
        if (memcmp(pins->list[index].address.address, address->address, sizeof address->address) == 0)
            return true;
    }
    return false;
}

static enum failure add(struct pins *pins, const struct pin *pin, const struct net_plan *plan, int rules) {
    struct net_pin one = {.address = {.family = pin->family, .prefix = pin->family == AF_INET ? 32 : 128},
                          .seconds = pin->seconds};
    enum failure failed = FAILURE_NONE;
    if (pin->family != AF_INET && pin->family != AF_INET6)
        return FAILURE_PROTOCOL;
    memcpy(one.address.address, pin->address, pin->family == AF_INET ? 4 : 16);
    if (pins->count == MOST_AT_ONCE ||
        (pins->count > 0 && (pins->set != pin->set || pins->list[0].address.family != pin->family)))
        failed = put(pins, plan, rules);
    pins->set = pin->set;
    if (!is_among(pins, &one.address))
        pins->list[pins->count++] = one;
    return failed;
}

static enum failure pin_all(struct wire_reader *reader, const struct relay *relay,
                            const struct net_plan *plan, int rules, uint32_t *slot) {
    static struct pins pins;
    bool valid = is_of_this_plan(*reader, relay->generation);
    enum failure failed = valid ? FAILURE_NONE : FAILURE_PROTOCOL;
    struct wire_field field;
    pins.count = 0;
    while (wire_next(reader, &field)) {
        struct pin pin;
        if (field.tag == TAG_SLOT)
            (void)wire_u32(&field, slot);
        if (field.tag != TAG_NET_PIN || !valid)
            continue;
        if (field.length != sizeof pin)
            return FAILURE_PROTOCOL;
        memcpy(&pin, field.value, sizeof pin);
        enum failure one = add(&pins, &pin, plan, rules);
        if (one == FAILURE_PROTOCOL)
            return one;
        failed = one == FAILURE_NONE ? failed : one;
    }
    enum failure last = put(&pins, plan, rules);
    return last == FAILURE_NONE ? failed : last;
}

void relay_hear(struct relay *relay, const struct net_plan *plan, int rules) {
    int fds[WIRE_MAX_FDS];
    unsigned count = 0;
    uint32_t slot = 0;
    struct wire_reader reader;
    ssize_t length = wire_receive(relay->connection, message, sizeof message, fds, &count);
    if (length < 0 && errno == EAGAIN)
        return;
    for (unsigned index = 0; length > 0 && index < count; index++)
        close_fd(fds[index]);
    if (length <= 0 || !wire_open(&reader, message, (size_t)length) || reader.type != MSG_RELAY_PIN) {
        lose(relay);
        return;
    }
    relay->failures = 0;
    enum failure failed = pin_all(&reader, relay, plan, rules, &slot);
    struct wire_writer writer;
    uint8_t answer[64];
    wire_start(&writer, answer, sizeof answer, MSG_RELAY_PINNED);
    wire_put_u32(&writer, TAG_SLOT, slot);
    wire_put_u32(&writer, TAG_CODE, (uint32_t)failed);
    if (wire_send(relay->connection, answer, wire_finish(&writer, 0), NULL, 0) != 0)
        lose(relay);
}

void relay_close(struct relay *relay) {
    close_fd_at(&relay->connection);
    close_fd_at(&relay->udp);
    close_fd_at(&relay->tcp);
    relay->retry_at_ns = UINT64_MAX;
}
