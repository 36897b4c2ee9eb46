#include "dns/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

static bool grow(void **list, size_t *room, size_t needed, size_t size) {
    if (needed <= *room)
        return true;
    size_t larger = *room == 0 ? 8 : *room * 2;
    if (larger < needed)
        larger = needed;
    void *moved = realloc(*list, larger * size);
    if (moved == NULL)
        return false;
    *list = moved;
    *room = larger;
    return true;
}

static bool add(struct policy *policy, struct policy_name entry, const char *text) {
    struct dns_name name;
    if (!dns_name_of_text(text, strlen(text), &name) ||
        !grow((void **)&policy->names, &policy->names_room, policy->names_used + name.length, 1) ||
        !grow((void **)&policy->list, &policy->room, policy->count + 1, sizeof *policy->list))
        return false;
    memcpy(policy->names + policy->names_used, name.bytes, name.length);
    entry.at = (uint32_t)policy->names_used;
    entry.length = name.length;
    policy->names_used += name.length;
    policy->list[policy->count++] = entry;
    return true;
}

static bool add_server(struct policy *policy, const char *text, servers_interface *interface) {
    if (policy->servers == NULL)
        policy->servers = servers_new();
    if (policy->servers == NULL)
        return false;
    if (policy->servers->count == MOST_SERVERS)
        return true; // as with a resolv.conf
    return server_of_text(&policy->servers->list[policy->servers->count++], text, interface);
}

static bool add_own(struct policy *policy, const char *name, const char *address) {
    struct policy_name entry = {.family = strchr(address, ':') == NULL ? AF_INET : AF_INET6};
    return inet_pton(entry.family, address, entry.address) == 1 && add(policy, entry, name);
}

static bool add_rule(struct policy *policy, const char *set, const char *name) {
    char *end;
    errno = 0;
    unsigned long number = strtoul(set, &end, 10);
    if (errno != 0 || *end != '\0' || end == set || number > UINT16_MAX)
        return false;
    struct policy_name entry = {.set = (uint16_t)number, .below = strncmp(name, "*.", 2) == 0};
    return add(policy, entry, entry.below ? name + 2 : name);
}

static bool take_line(struct policy *policy, char *line, servers_interface *interface) {
    const char *verb = strsep(&line, " ");
    const char *first = strsep(&line, " ");
    const char *second = strsep(&line, " ");
    if (first == NULL || line != NULL)
        return false;
    if (strcmp(verb, "server") == 0)
        return second == NULL && add_server(policy, first, interface);
    if (second == NULL)
        return false;
    if (strcmp(verb, "name") == 0)
        return add_own(policy, first, second);
    return strcmp(verb, "pin") == 0 && add_rule(policy, first, second);
}

struct policy *policy_parse(const char *text, size_t length, servers_interface *interface) {
    struct policy *policy = calloc(1, sizeof *policy);
    cleanup_free char *copy = strndup(text, length);
    bool good = policy != NULL && copy != NULL && strlen(copy) == length;
    char *rest = copy, *line;
    while (good && (line = strsep(&rest, "\n")) != NULL)
        good = line[0] == '\0' || take_line(policy, line, interface);
    if (good)
        return policy;
    policy_free(policy);
    return NULL;
}

void policy_free(struct policy *policy) {
    if (policy == NULL)
        return;
    servers_leave(policy->servers);
    free(policy->names);
    free(policy->list);
    free(policy);
}

bool policy_own(const struct policy *policy, const struct dns_name *name, struct dns_address *addresses,
                size_t most, size_t *count) {
    bool own = false;
    *count = 0;
    for (size_t index = 0; index < policy->count; index++) {
        const struct policy_name *entry = &policy->list[index];
        if (entry->family == 0 || !dns_name_is(name, policy->names + entry->at, entry->length))
            continue;
        own = true;
        if (*count == most)
            break;
        struct dns_address *address = &addresses[(*count)++];
        *address = (struct dns_address){.family = entry->family};
        memcpy(address->address, entry->address, sizeof address->address);
    }
    return own;
}

size_t policy_sets(const struct policy *policy, const struct dns_name *name, uint16_t *sets, size_t most) {
    size_t count = 0;
    for (size_t index = 0; index < policy->count && count < most; index++) {
        const struct policy_name *entry = &policy->list[index];
        const uint8_t *bytes = policy->names + entry->at;
        if (entry->family == 0 && (entry->below ? dns_name_is_below(name, bytes, entry->length)
                                                : dns_name_is(name, bytes, entry->length)))
            sets[count++] = entry->set;
    }
    return count;
}
