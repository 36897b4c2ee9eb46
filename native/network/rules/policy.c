#include "rules/policy.h"

#include <stdlib.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "cleanup.h"
#include "nft/rule.h"
#include "rules/pins.h"
#include "rules/ranges.h"

#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_ICMP6 58

// Below this number of ranges each has a rule: a set costs more.
#define FEW_RANGES 3

struct writer {
    struct nft_batch *batch;
    const char *chain;
    enum policy_way way;
    int family;
    int code;
    const char *target;
};

bool policy_has(const struct net_plan *plan, enum net_verdict verdict) {
    for (size_t index = 0; index < plan->rule_count; index++) {
        if (plan->rules[index].verdict == verdict)
            return true;
    }
    return false;
}

static struct nft_field address_field(const struct writer *writer) {
    if (writer->way == POLICY_IN)
        return writer->family == AF_INET ? nft_saddr4 : nft_saddr6;
    return writer->family == AF_INET ? nft_daddr4 : nft_daddr6;
}

static bool has_all_ports(const struct net_rule *rule) {
    return rule->ports.first == 0 && rule->ports.last == UINT16_MAX;
}

// Protocol and ports: what all rules of a group have in common.
static void begin(const struct writer *writer, const struct net_rule *rule) {
    static const uint8_t numbers[] = {
        [NET_TCP] = PROTOCOL_TCP, [NET_UDP] = PROTOCOL_UDP, [NET_ICMP] = PROTOCOL_ICMP};
    nft_rule_begin(writer->batch, writer->chain);
    nft_is_family(writer->batch, writer->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
    if (rule->protocol == NET_ICMP && writer->family == AF_INET6)
        nft_is_protocol(writer->batch, PROTOCOL_ICMP6);
    else if (rule->protocol != NET_ANY)
        nft_is_protocol(writer->batch, numbers[rule->protocol]);
    if (!has_all_ports(rule))
        nft_is_between(writer->batch, writer->way == POLICY_IN ? nft_sport : nft_dport, rule->ports.first,
                       rule->ports.last);
}

static void end(const struct writer *writer) {
    nft_verdict(writer->batch, writer->code, writer->target);
    nft_rule_end(writer->batch);
}

static void write_pinned(const struct writer *writer, const struct net_rule *rule) {
    char name[PIN_NAME_BYTES];
    pin_name(name, rule->set, writer->family);
    begin(writer, rule);
    nft_is_in_set(writer->batch, address_field(writer), name, 0, true);
    end(writer);
}

static void write_one(const struct writer *writer, const struct net_rule *rule) {
    begin(writer, rule);
    if (rule->target.prefix != 0)
        nft_is_value(writer->batch, address_field(writer), rule->target.address, rule->target.prefix, true);
    end(writer);
}

// `count` rules that differ in the target alone.
static void write_group(const struct writer *writer, const struct net_rule *const *rules, size_t count) {
    struct ranges cleanup_ranges ranges = {.family = writer->family};
    if (count < FEW_RANGES) {
        for (size_t index = 0; index < count; index++)
            write_one(writer, rules[index]);
        return;
    }
    for (size_t index = 0; index < count; index++)
        ranges_add(&ranges, &rules[index]->target);
    ranges_merge(&ranges);
    uint32_t set = ranges_set(writer->batch, &ranges);
    begin(writer, rules[0]);
    nft_is_in_set(writer->batch, address_field(writer), NULL, set, true);
    end(writer);
}

static int by_ports(const struct net_rule *one, const struct net_rule *other) {
    if (one->protocol != other->protocol)
        return one->protocol < other->protocol ? -1 : 1;
    if (one->ports.first != other->ports.first)
        return one->ports.first < other->ports.first ? -1 : 1;
    return (one->ports.last > other->ports.last) - (one->ports.last < other->ports.last);
}

static int compare(const void *one, const void *other) {
    return by_ports(*(const struct net_rule *const *)one, *(const struct net_rule *const *)other);
}

static void write_family(const struct writer *writer, const struct net_plan *plan, enum net_verdict verdict) {
    size_t count = 0;
    cleanup_free const struct net_rule **rules = calloc(plan->rule_count, sizeof *rules);
    if (rules == NULL) {
        writer->batch->messages.overflow = true;
        return;
    }
    for (size_t index = 0; index < plan->rule_count; index++) {
        const struct net_rule *rule = &plan->rules[index];
        if (rule->verdict != verdict)
            continue;
        if (rule->target.family == 0)
            write_pinned(writer, rule);
        else if (rule->target.family == writer->family)
            rules[count++] = rule;
    }
    qsort(rules, count, sizeof(const struct net_rule *), compare);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && by_ports(rules[from], rules[to]) == 0;)
            to++;
        write_group(writer, rules + from, to - from);
    }
}

void policy_rules(struct nft_batch *batch, const char *chain, const struct net_plan *plan,
                  enum net_verdict verdict, enum policy_way way, int code, const char *target) {
    struct writer writer = {
        .batch = batch, .chain = chain, .way = way, .code = code, .target = target, .family = AF_INET};
    if (!policy_has(plan, verdict))
        return;
    write_family(&writer, plan, verdict);
    writer.family = AF_INET6;
    write_family(&writer, plan, verdict);
}
