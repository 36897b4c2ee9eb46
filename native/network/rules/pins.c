#include "rules/pins.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter/nf_tables.h>

#include "nft/object.h"

static const int families[] = {AF_INET, AF_INET6};

void pin_name(char name[PIN_NAME_BYTES], uint16_t set, int family) {
    (void)snprintf(name, PIN_NAME_BYTES, "pinned%c_%u", family == AF_INET ? '4' : '6', set);
}

int pin_next(const struct net_plan *plan, int after, bool open_only) {
    int next = -1;
    for (size_t index = 0; index < plan->rule_count; index++) {
        const struct net_rule *rule = &plan->rules[index];
        if (rule->target.family != 0 || (open_only && rule->verdict != NET_OPEN) || rule->set <= after)
            continue;
        if (next < 0 || rule->set < next)
            next = rule->set;
    }
    return next;
}

static bool has_same_pins(const struct net_plan *plan, const struct net_plan *before, bool open_only) {
    if (plan->dns_bytes != before->dns_bytes ||
        (plan->dns_bytes != 0 && memcmp(plan->dns, before->dns, plan->dns_bytes) != 0))
        return false;
    int one = -1, other = -1;
    do {
        one = pin_next(plan, one, open_only);
        other = pin_next(before, other, open_only);
    } while (one == other && one >= 0);
    return one == other;
}

void pins_renew(struct nft_batch *batch, const struct net_plan *plan, const struct net_plan *before,
                bool open_only) {
    char name[PIN_NAME_BYTES];
    if (before != NULL && has_same_pins(plan, before, open_only))
        return;
    for (size_t index = 0; index < 2; index++) {
        int family = families[index];
        for (int set = -1; before != NULL && (set = pin_next(before, set, open_only)) >= 0;) {
            pin_name(name, (uint16_t)set, family);
            nft_set_delete(batch, name);
        }
        for (int set = -1; (set = pin_next(plan, set, open_only)) >= 0;) {
            pin_name(name, (uint16_t)set, family);
            nft_set_make(batch,
                         &(struct nft_set){.name = name,
                                           .key = family == AF_INET ? NFT_KEY_ADDRESS4 : NFT_KEY_ADDRESS6,
                                           .flags = NFT_SET_TIMEOUT,
                                           .most = PIN_MOST});
        }
    }
}

bool pin_has_set(const struct net_plan *plan, uint16_t set, bool open_only) {
    return pin_next(plan, set - 1, open_only) == set;
}

// Added, removed and added: only a new element takes the time, and between is no moment that a packet could
// see.
void pin_add(struct nft_batch *batch, const char *name, const struct net_pin *pins, size_t count) {
    for (int step = 0; step < 3; step++) {
        nft_elements_begin(batch, step == 1, name, 0);
        for (size_t index = 0; index < count; index++) {
            size_t bytes = pins[index].address.family == AF_INET ? 4 : 16;
            uint64_t milliseconds = pins[index].seconds == 0 ? 1 : 1000ull * pins[index].seconds;
            nft_element(batch, pins[index].address.address, bytes, step == 1 ? 0 : milliseconds, false);
        }
        nft_elements_end(batch);
    }
}
