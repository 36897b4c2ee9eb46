#include "control/networking.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "control/tell.h"

// From the first packet that is refused until the daemon hears of it.
#define REPORT_NS 1000000000u
#define MISSING_TOLD 64

static void answer(const struct supervisor *supervisor, uint32_t slot, const struct err *err) {
    uint8_t bytes[1024];
    char text[400];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_NETWORK_SET);
    wire_put_u32(&writer, TAG_SLOT, slot);
    wire_put_u32(&writer, TAG_FAILURE, (uint32_t)err->code);
    if (err->code != FAILURE_NONE) {
        err_text(err, text, sizeof text);
        wire_put_u32(&writer, TAG_CODE, (uint32_t)err->number);
        wire_put_text(&writer, TAG_TEXT, text);
    }
    (void)tell_daemon(supervisor, &writer, CLOSED_FD);
}

static int parse(struct net_plan *plan, struct wire_reader *reader, uint32_t *slot, struct err *err) {
    struct wire_field field;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_SLOT ? !wire_u32(&field, slot) : net_plan_field(plan, &field) != 1)
            return err_plain(err, FAILURE_PROTOCOL, "what the network is to be is not understood", NULL);
    }
    return net_plan_check(plan, err);
}

static int publish(struct supervisor *supervisor, struct err *err) {
    const struct network_owner owner = {&supervisor->cgroups, supervisor->spec.root_uid};
    return network_publish(&supervisor->network, &supervisor->spec.plan, supervisor->init_pid, &owner, err);
}

// All that could not be published, as far as a message has room.
void networking_tell_missing(const struct supervisor *supervisor) {
    uint8_t bytes[WIRE_HEADER_BYTES + MISSING_TOLD * 160];
    struct wire_writer writer;
    size_t told = 0;
    const struct net_plan *plan = &supervisor->spec.plan;
    wire_start(&writer, bytes, sizeof bytes, MSG_PORTS_MISSING);
    for (size_t index = 0; index < plan->published_count; index++) {
        const struct net_published *range = &plan->published[index];
        for (unsigned offset = 0; offset <= (unsigned)(range->outside.last - range->outside.first);
             offset++) {
            int missing = publish_missing(&supervisor->network.publisher, range, offset);
            char address[INET6_ADDRSTRLEN], line[128];
            if (missing == 0 || told == MISSING_TOLD ||
                inet_ntop(range->address.family, range->address.address, address, sizeof address) == NULL)
                continue;
            (void)snprintf(line, sizeof line, "%s %s %u %s", range->protocol == NET_TCP ? "tcp" : "udp",
                           address, range->outside.first + offset, strerror(missing));
            wire_put_text(&writer, TAG_NET_MISSING, line);
            told++;
        }
    }
    (void)tell_daemon(supervisor, &writer, CLOSED_FD);
}

void networking_change(struct supervisor *supervisor, struct wire_reader *reader) {
    __attribute__((cleanup(net_plan_free))) struct net_plan next = {0};
    struct err err = {0};
    uint32_t slot = 0;
    struct net_plan *plan = &supervisor->spec.plan;
    if (parse(&next, reader, &slot, &err) == 0) {
        if (supervisor->state != STATE_RUNNING || supervisor->spec.network != NET_PRIVATE)
            (void)err_plain(&err, FAILURE_STOPPING, "there is no private network here (any more)", NULL);
        else if (network_change(&supervisor->network, plan, &next, supervisor->init_pid, &err) == 0) {
            struct net_plan before = *plan;
            *plan = next;
            next = before; // which is freed
            // The rules count in any case: a port that is taken is only told.
            (void)publish(supervisor, &err);
            networking_tell_missing(supervisor);
        }
    }
    answer(supervisor, slot, &err);
}

void networking_count(struct supervisor *supervisor, struct wire_reader *reader) {
    struct err err = {0};
    struct wire_field field;
    uint32_t slot = 0;
    struct link_traffic traffic;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_SLOT)
            (void)wire_u32(&field, &slot);
    }
    uint8_t bytes[128];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_TRAFFIC);
    wire_put_u32(&writer, TAG_SLOT, slot);
    if (supervisor->network.rules >= 0 && network_count(&supervisor->spec.plan, &traffic, &err) == 0) {
        const uint64_t counted[] = {traffic.bytes_in, traffic.packets_in, traffic.bytes_out,
                                    traffic.packets_out};
        wire_put(&writer, TAG_NET_TRAFFIC, counted, sizeof counted);
    }
    (void)tell_daemon(supervisor, &writer, CLOSED_FD);
}

void networking_refused(struct supervisor *supervisor) {
    struct network *network = &supervisor->network;
    rules_refused_read(network->refused, &network->list);
    if (network->report_at_ns == NEVER)
        network->report_at_ns = monotonic_ns() + REPORT_NS;
}

static const char *name_of(uint8_t protocol, char number[4]) {
    switch (protocol) {
    case IPPROTO_TCP:
        return "tcp";
    case IPPROTO_UDP:
        return "udp";
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return "icmp";
    default:
        (void)snprintf(number, 4, "%u", protocol);
        return number;
    }
}

static void networking_report(struct supervisor *supervisor) {
    struct network *network = &supervisor->network;
    struct refused_list *list = &network->list;
    network->report_at_ns = NEVER;
    uint8_t bytes[sizeof list->list / sizeof *list->list * 128 + WIRE_HEADER_BYTES];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_NETWORK_REFUSED);
    for (size_t index = 0; index < list->count; index++) {
        const struct refused *refused = &list->list[index];
        char address[INET6_ADDRSTRLEN], number[4], line[96];
        if (inet_ntop(refused->family, refused->address, address, sizeof address) == NULL)
            continue;
        (void)snprintf(line, sizeof line, "%s %s %u %u", name_of(refused->protocol, number), address,
                       refused->port, refused->count);
        wire_put_text(&writer, TAG_NET_REFUSED, line);
    }
    // Where there is no daemon now, the next one hears of it with what is refused then.
    if (list->count > 0 && tell_daemon(supervisor, &writer, CLOSED_FD))
        list->count = list->others = 0;
}

uint64_t networking_next(const struct network *network) {
    uint64_t next = network->report_at_ns;
    next = network->relay.retry_at_ns < next ? network->relay.retry_at_ns : next;
    return network->publish_at_ns < next ? network->publish_at_ns : next;
}

void networking_due(struct supervisor *supervisor, uint64_t now) {
    struct network *network = &supervisor->network;
    struct err ignored = {0};
    if (network->report_at_ns <= now)
        networking_report(supervisor);
    if (network->relay.retry_at_ns <= now)
        relay_connect(&network->relay, &supervisor->spec.plan);
    if (network->publish_at_ns <= now) {
        (void)publish(supervisor, &ignored);
        networking_tell_missing(supervisor);
    }
}
