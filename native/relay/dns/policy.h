// The lines of a policy about a sandbox's names (NET_DNS, docs/protocol.md):
//
//   server ADDRESS      asked instead of the host's own; may be repeated
//   name NAME ADDRESS   answered by the relay itself
//   pin SET NAME        the addresses of NAME, or of every name below it (*.NAME), go into a set before
//                       they are given
#pragma once

#include "dns/message.h"
#include "dns/servers.h"

struct policy_name {
    uint32_t at; // in `names`
    uint8_t length;
    uint8_t family; // of an own name; 0: a rule's
    bool below;
    uint16_t set;
    uint8_t address[16];
};

struct policy {
    struct servers *servers; // NULL: the host's
    uint8_t *names;
    size_t names_used, names_room;
    struct policy_name *list;
    size_t count, room;
};

// NULL: memory is short, or a line is none of these.
struct policy *policy_parse(const char *text, size_t length, servers_interface *interface);
void policy_free(struct policy *policy);

// Whether the relay answers for the name itself; its addresses, `most` of them.
bool policy_own(const struct policy *policy, const struct dns_name *name, struct dns_address *addresses,
                size_t most, size_t *count);
// The sets that addresses of the name belong to. How many, at most `most`.
size_t policy_sets(const struct policy *policy, const struct dns_name *name, uint16_t *sets, size_t most);
