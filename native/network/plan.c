#include "plan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "words.h"

#define MTU_LEAST 1280u // of IPv6 (RFC 8200, section 5)
#define MTU_MOST 65535u

// Room for one more of a list that grows by doubling; NULL where there are `most` already.
static void *one_more(void **list, size_t *count, size_t most, size_t bytes) {
    if (*count == most)
        return NULL;
    if ((*count & (*count - 1)) == 0) { // a power of two, or none: all the room is used
        void *larger = reallocarray(*list, *count == 0 ? 1 : 2 * *count, bytes);
        if (larger == NULL)
            return NULL;
        *list = larger;
    }
    uint8_t *place = (uint8_t *)*list + *count * bytes;
    memset(place, 0, bytes);
    (*count)++;
    return place;
}

static bool parse_rule(struct net_plan *plan, const struct wire_field *field) {
    static const char *const verdicts[] = {[NET_ALLOW] = "allow", [NET_DENY] = "deny", [NET_OPEN] = "open"};
    char line[LINE_BYTES], *words[MOST_WORDS];
    struct net_rule rule = {0};
    unsigned verdict;
    uint32_t set = 0;
    if (!words_of(field, line, words, 4) ||
        !choice_of(words[0], verdicts, sizeof verdicts / sizeof *verdicts, &verdict) ||
        !protocol_of(words[1], &rule.protocol) || !ports_of(words[3], &rule.ports))
        return false;
    rule.verdict = (enum net_verdict)verdict;
    if (words[2][0] == '@' ? !decimal_of(words[2] + 1, UINT16_MAX, &set) : !range_of(words[2], &rule.target))
        return false;
    rule.set = (uint16_t)set;
    bool all_ports = rule.ports.first == 0 && rule.ports.last == UINT16_MAX;
    if (!all_ports && rule.protocol != NET_TCP && rule.protocol != NET_UDP)
        return false;
    struct net_rule *place =
        one_more((void **)&plan->rules, &plan->rule_count, NET_MOST_RULES, sizeof *place);
    if (place == NULL)
        return false;
    *place = rule;
    return true;
}

static bool parse_host(struct net_plan *plan, const struct wire_field *field) {
    char line[LINE_BYTES], *words[MOST_WORDS];
    struct net_prefix host;
    if (!words_of(field, line, words, 1) || !range_of(words[0], &host))
        return false;
    struct net_prefix *place =
        one_more((void **)&plan->hosts, &plan->host_count, NET_MOST_HOSTS, sizeof *place);
    if (place == NULL)
        return false;
    *place = host;
    return true;
}

static bool parse_peer(struct net_plan *plan, const struct wire_field *field) {
    char line[LINE_BYTES], *words[MOST_WORDS];
    struct net_prefix address;
    if (!words_of(field, line, words, 2) || strlen(words[0]) >= NET_NAME_BYTES ||
        !address_of(words[1], &address))
        return false;
    struct net_peer *place =
        one_more((void **)&plan->peers, &plan->peer_count, NET_MOST_PEERS, sizeof *place);
    if (place == NULL)
        return false;
    (void)strcpy(place->name, words[0]);
    place->address = address;
    return true;
}

static bool parse_published(struct net_plan *plan, const struct wire_field *field) {
    char line[LINE_BYTES], *words[MOST_WORDS];
    struct net_published published = {0};
    if (!words_of(field, line, words, 4) || !protocol_of(words[0], &published.protocol) ||
        (published.protocol != NET_TCP && published.protocol != NET_UDP) ||
        !address_of(words[1], &published.address) || !ports_of(words[2], &published.outside) ||
        !ports_of(words[3], &published.inside) || published.outside.first == 0 ||
        published.inside.first == 0 ||
        published.outside.last - published.outside.first != published.inside.last - published.inside.first)
        return false;
    struct net_published *place =
        one_more((void **)&plan->published, &plan->published_count, NET_MOST_PUBLISHED, sizeof *place);
    if (place == NULL)
        return false;
    *place = published;
    return true;
}

// The name stands in paths below /proc/sys, and says by its prefix that the link is ours.
static bool parse_link(struct net_plan *plan, const struct wire_field *field) {
    if (field->length < 4 || field->length >= NET_LINK_BYTES || memcmp(field->value, "dsh", 3) != 0)
        return false;
    for (uint32_t index = 0; index < field->length; index++) {
        uint8_t byte = field->value[index];
        if (!((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-'))
            return false;
    }
    memset(plan->link, 0, sizeof plan->link);
    memcpy(plan->link, field->value, field->length);
    return true;
}

static bool parse_one_of_a_family(struct net_prefix *four, struct net_prefix *six,
                                  const struct wire_field *field, bool whole) {
    char line[LINE_BYTES], *words[MOST_WORDS];
    struct net_prefix range;
    if (!words_of(field, line, words, 1) ||
        (whole ? !address_of(words[0], &range) : !range_of(words[0], &range)))
        return false;
    if (range.family == AF_INET6 && six == NULL)
        return false;
    *(range.family == AF_INET ? four : six) = range;
    return true;
}

static bool parse_rates(struct net_plan *plan, const struct wire_field *field) {
    if (field->length != 2 * sizeof(uint64_t))
        return false;
    memcpy(&plan->rate_in, field->value, sizeof plan->rate_in);
    memcpy(&plan->rate_out, field->value + sizeof plan->rate_in, sizeof plan->rate_out);
    return true;
}

static bool parse_mtu(struct net_plan *plan, const struct wire_field *field) {
    return wire_u32(field, &plan->mtu) && (plan->mtu == 0 || (plan->mtu >= 68 && plan->mtu <= MTU_MOST));
}

static bool parse_relay(struct net_plan *plan, const struct wire_field *field) {
    free(plan->relay);
    plan->relay = wire_text(field);
    return plan->relay != NULL && plan->relay[0] == '/';
}

static bool parse_dns(struct net_plan *plan, const struct wire_field *field) {
    free(plan->dns);
    plan->dns = NULL;
    plan->dns_bytes = 0;
    if (field->length > NET_MOST_DNS_BYTES)
        return false;
    plan->dns = malloc(field->length == 0 ? 1 : field->length);
    if (plan->dns == NULL)
        return false;
    memcpy(plan->dns, field->value, field->length);
    plan->dns_bytes = field->length;
    return true;
}

static bool parse_resolv_conf(struct net_plan *plan, const struct wire_field *field) {
    free(plan->resolv_conf);
    plan->resolv_conf = field->length > NET_MOST_RESOLV_CONF_BYTES ? NULL : wire_text(field);
    return plan->resolv_conf != NULL;
}

static bool parse_strict(struct net_plan *plan, const struct wire_field *field) {
    uint32_t strict;
    if (!wire_u32(field, &strict))
        return false;
    plan->strict = strict != 0;
    return true;
}

static bool parse_field(struct net_plan *plan, const struct wire_field *field) {
    switch (field->tag) {
    case TAG_NET_LINK:
        return parse_link(plan, field);
    case TAG_NET_ADDRESS:
        return parse_one_of_a_family(&plan->address4, &plan->address6, field, true);
    case TAG_NET_RESOLVER:
        return parse_one_of_a_family(&plan->resolver, NULL, field, true);
    case TAG_NET_POOL:
        return parse_one_of_a_family(&plan->pool4, &plan->pool6, field, false);
    case TAG_NET_HOST:
        return parse_host(plan, field);
    case TAG_NET_MTU:
        return parse_mtu(plan, field);
    case TAG_NET_RATE:
        return parse_rates(plan, field);
    case TAG_NET_CONNECTIONS:
        return wire_u32(field, &plan->connections);
    case TAG_NET_NEW_CONNECTIONS:
        return wire_u32(field, &plan->new_connections);
    case TAG_NET_RULE:
        return parse_rule(plan, field);
    case TAG_NET_PEER:
        return parse_peer(plan, field);
    case TAG_NET_PUBLISH:
        return parse_published(plan, field);
    case TAG_NET_RELAY:
        return parse_relay(plan, field);
    case TAG_NET_RESOLV_CONF:
        return parse_resolv_conf(plan, field);
    case TAG_NET_STRICT:
        return parse_strict(plan, field);
    default: // TAG_NET_DNS
        return parse_dns(plan, field);
    }
}

int net_plan_field(struct net_plan *plan, const struct wire_field *field) {
    if (!wire_is_network(field->tag))
        return 0;
    return parse_field(plan, field) ? 1 : -1;
}

int net_plan_check(const struct net_plan *plan, struct err *err) {
    if (plan->link[0] == '\0' || plan->address4.family == 0 || plan->pool4.family == 0)
        return err_plain(err, FAILURE_PROTOCOL, "the network's link, address or pool is missing", NULL);
    if (plan->address6.family != 0 && plan->pool6.family == 0)
        return err_plain(err, FAILURE_PROTOCOL, "the network's pool of IPv6 is missing", NULL);
    if (plan->address6.family != 0 && plan->mtu != 0 && plan->mtu < MTU_LEAST)
        return err_plain(err, FAILURE_PROTOCOL, "the network's MTU is too small for IPv6", NULL);
    return 0;
}

static bool is_same(const struct net_prefix *one, const struct net_prefix *other) {
    return one->family == other->family && one->prefix == other->prefix &&
           memcmp(one->address, other->address, sizeof one->address) == 0;
}

bool net_plan_is_same_link(const struct net_plan *plan, const struct net_plan *other) {
    return strcmp(plan->link, other->link) == 0 && is_same(&plan->address4, &other->address4) &&
           is_same(&plan->address6, &other->address6) && is_same(&plan->resolver, &other->resolver);
}

void net_plan_free(struct net_plan *plan) {
    free(plan->rules);
    free(plan->hosts);
    free(plan->peers);
    free(plan->published);
    free(plan->relay);
    free(plan->dns);
    free(plan->resolv_conf);
    memset(plan, 0, sizeof *plan);
}
