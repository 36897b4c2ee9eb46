// Fuzzes a private network's plan: every list keeps its bound, a link has a name that is safe in a path, and
// what stands behind a prefix is nothing.

#include "plan.h"

#include <sys/socket.h>

#include "fuzz.h"

static void check_range(const struct net_prefix *range) {
    unsigned bits = range->family == AF_INET ? 32 : 128;
    REQUIRE(range->family == 0 || range->family == AF_INET || range->family == AF_INET6);
    REQUIRE(range->family == 0 || range->prefix <= bits);
    for (unsigned bit = range->prefix; range->family != 0 && bit < 128; bit++)
        REQUIRE((range->address[bit / 8] & 0x80u >> bit % 8) == 0);
}

static void check(const struct net_plan *plan) {
    REQUIRE(plan->rule_count <= NET_MOST_RULES && plan->host_count <= NET_MOST_HOSTS);
    REQUIRE(plan->peer_count <= NET_MOST_PEERS && plan->published_count <= NET_MOST_PUBLISHED);
    REQUIRE(plan->dns_bytes <= NET_MOST_DNS_BYTES && (plan->dns != NULL || plan->dns_bytes == 0));
    REQUIRE(strlen(plan->link) < NET_LINK_BYTES);
    if (plan->link[0] != '\0')
        REQUIRE(strncmp(plan->link, "dsh", 3) == 0 && strpbrk(plan->link, "./%: ") == NULL);
    const struct net_prefix *const ranges[] = {&plan->address4, &plan->address6, &plan->resolver,
                                               &plan->pool4, &plan->pool6};
    for (size_t index = 0; index < sizeof ranges / sizeof *ranges; index++)
        check_range(ranges[index]);
    for (size_t index = 0; index < plan->host_count; index++)
        check_range(&plan->hosts[index]);
    for (size_t index = 0; index < plan->rule_count; index++) {
        const struct net_rule *rule = &plan->rules[index];
        check_range(&rule->target);
        REQUIRE(rule->ports.first <= rule->ports.last);
        REQUIRE(rule->protocol == NET_TCP || rule->protocol == NET_UDP ||
                (rule->ports.first == 0 && rule->ports.last == UINT16_MAX));
    }
    for (size_t index = 0; index < plan->peer_count; index++) {
        check_range(&plan->peers[index].address);
        REQUIRE(strlen(plan->peers[index].name) < NET_NAME_BYTES);
    }
    for (size_t index = 0; index < plan->published_count; index++) {
        const struct net_published *published = &plan->published[index];
        check_range(&published->address);
        REQUIRE(published->outside.first != 0 && published->inside.first != 0);
        REQUIRE(published->outside.last - published->outside.first ==
                published->inside.last - published->inside.first);
    }
}

// The first byte of each line says which field the rest of it is: texts are what there is to parse, and a
// message's own lengths would be in the way.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct net_plan plan = {0};
    struct err err = {0};
    const uint8_t *end = bytes + length;
    while (bytes < end) {
        const uint8_t *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        const uint8_t *line_end = newline != NULL ? newline : end;
        struct wire_field field = {.tag = (uint32_t)*bytes - 'A' + TAG_NET_LINK};
        if (line_end > bytes) {
            field.value = bytes + 1;
            field.length = (uint32_t)(line_end - bytes - 1);
            int taken = net_plan_field(&plan, &field);
            REQUIRE(taken >= -1 && taken <= 1 && (taken != 0) == wire_is_network(field.tag));
        }
        bytes = line_end + (newline != NULL ? 1 : 0);
    }
    check(&plan);
    if (net_plan_check(&plan, &err) != 0)
        REQUIRE(err.what[0] != '\0');
    REQUIRE(net_plan_is_same_link(&plan, &plan));
    net_plan_free(&plan);
    return 0;
}
