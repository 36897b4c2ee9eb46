#include "words.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

bool words_of(const struct wire_field *field, char line[LINE_BYTES], char *words[MOST_WORDS], size_t count) {
    if (field->length == 0 || field->length >= LINE_BYTES ||
        memchr(field->value, '\0', field->length) != NULL)
        return false;
    memcpy(line, field->value, field->length);
    line[field->length] = '\0';
    size_t found = 0;
    for (char *at = line; at != NULL; found++) {
        if (found == count)
            return false;
        words[found] = at;
        at = strchr(at, ' ');
        if (at != NULL)
            *at++ = '\0';
        if (words[found][0] == '\0')
            return false;
    }
    return found == count;
}

bool decimal_of(const char *text, uint32_t most, uint32_t *number) {
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > most)
            return false;
    }
    *number = (uint32_t)value;
    return true;
}

static void clear_behind_prefix(struct net_prefix *range) {
    for (unsigned index = 0; index < sizeof range->address; index++) {
        unsigned kept = range->prefix > 8 * index ? range->prefix - 8 * index : 0;
        if (kept < 8)
            range->address[index] &= (uint8_t)(0xff00u >> kept);
    }
}

bool address_of(const char *text, struct net_prefix *address) {
    memset(address, 0, sizeof *address);
    bool six = strchr(text, ':') != NULL;
    if (inet_pton(six ? AF_INET6 : AF_INET, text, address->address) != 1)
        return false;
    address->family = six ? AF_INET6 : AF_INET;
    address->prefix = six ? 128 : 32;
    return true;
}

bool range_of(char *text, struct net_prefix *range) {
    uint32_t bits;
    char *slash = strchr(text, '/');
    if (slash != NULL)
        *slash = '\0';
    if (!address_of(text, range))
        return false;
    if (slash == NULL)
        return true;
    if (!decimal_of(slash + 1, range->prefix, &bits))
        return false;
    range->prefix = (uint8_t)bits;
    clear_behind_prefix(range);
    return true;
}

bool ports_of(char *text, struct net_ports *ports) {
    uint32_t first, last;
    char *dash = strchr(text, '-');
    if (dash != NULL)
        *dash = '\0';
    if (!decimal_of(text, UINT16_MAX, &first))
        return false;
    last = first;
    if (dash != NULL && !decimal_of(dash + 1, UINT16_MAX, &last))
        return false;
    *ports = (struct net_ports){.first = (uint16_t)first, .last = (uint16_t)last};
    return first <= last;
}

bool choice_of(const char *text, const char *const *choices, size_t count, unsigned *choice) {
    for (size_t index = 0; index < count; index++) {
        if (strcmp(text, choices[index]) != 0)
            continue;
        *choice = (unsigned)index;
        return true;
    }
    return false;
}

bool protocol_of(const char *text, enum net_protocol *protocol) {
    static const char *const names[] = {
        [NET_ANY] = "any", [NET_TCP] = "tcp", [NET_UDP] = "udp", [NET_ICMP] = "icmp"};
    unsigned choice;
    if (!choice_of(text, names, sizeof names / sizeof *names, &choice))
        return false;
    *protocol = (enum net_protocol)choice;
    return true;
}
