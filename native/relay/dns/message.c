#include "dns/message.h"

#include <string.h>
#include <sys/socket.h>

#include "dns/layout.h"

enum { MOST_ALIASES = 16, MOST_RECORDS = 512, MOST_POINTERS = 128 };

struct record {
    struct dns_name name;
    uint16_t type, class;
    uint32_t ttl;
    size_t data, data_length;
};

static uint8_t lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

// A name, with pointers into what comes before it. Returns where it ends, or 0 where it is broken. Every
// pointer leads further to the front, so there is no circle; as many as a name can have labels. None leads
// into the header: it holds no name, and an answer's header is another than its question's.
static size_t read_name(const uint8_t *bytes, size_t length, size_t at, struct dns_name *name) {
    size_t end = 0, before = at, used = 0;
    unsigned pointers = 0;
    for (;;) {
        if (at >= length)
            return 0;
        uint8_t size = bytes[at];
        if ((size & 0xc0) == 0xc0) {
            if (at + 1 >= length)
                return 0;
            size_t target = (size_t)(size & 0x3f) << 8 | bytes[at + 1];
            if (target < DNS_HEADER_BYTES || target >= before || ++pointers > MOST_POINTERS)
                return 0;
            end = end == 0 ? at + 2 : end;
            at = before = target;
            continue;
        }
        if ((size & 0xc0) != 0 || size >= length - at || used + 1u + size > DNS_NAME_BYTES)
            return 0;
        name->bytes[used++] = size;
        for (uint8_t index = 0; index < size; index++)
            name->bytes[used++] = lower(bytes[at + 1 + index]);
        at += 1u + size;
        if (size == 0)
            break;
    }
    name->length = (uint8_t)used;
    return end == 0 ? at : end;
}

static size_t read_record(const uint8_t *bytes, size_t length, size_t at, struct record *record) {
    at = read_name(bytes, length, at, &record->name);
    if (at == 0 || length - at < 10)
        return 0;
    record->type = u16(bytes + at);
    record->class = u16(bytes + at + 2);
    record->ttl = u32(bytes + at + 4);
    record->data_length = u16(bytes + at + 8);
    record->data = at + 10;
    return record->data_length > length - record->data ? 0 : record->data + record->data_length;
}

static size_t read_question(const uint8_t *bytes, size_t length, struct dns_query *query) {
    size_t at = read_name(bytes, length, DNS_HEADER_BYTES, &query->name);
    if (at == 0 || length - at < 4)
        return 0;
    query->type = u16(bytes + at);
    query->class = u16(bytes + at + 2);
    return at + 4;
}

// What a query holds behind its question: an OPT record, or nothing.
static bool read_rest(const uint8_t *bytes, size_t length, struct dns_query *query) {
    size_t at = query->end;
    unsigned records = u16(bytes + ANSWERS) + u16(bytes + AUTHORITIES) + u16(bytes + ADDITIONAL);
    for (; records > 0; records--) {
        struct record record;
        at = read_record(bytes, length, at, &record);
        if (at == 0)
            return false;
        if (record.type == DNS_OPT) {
            query->extended = true;
            query->room = record.class > DNS_PLAIN_ROOM ? record.class : DNS_PLAIN_ROOM;
        }
    }
    return at == length;
}

int dns_read_query(const uint8_t *bytes, size_t length, struct dns_query *query) {
    query->end = 0;
    query->extended = false;
    query->room = DNS_PLAIN_ROOM;
    if (length < DNS_HEADER_BYTES || (u16(bytes + FLAGS) & RESPONSE) != 0)
        return -1;
    query->id = u16(bytes + ID);
    if ((u16(bytes + FLAGS) & OPERATION) != 0)
        return DNS_NOT_IMPLEMENTED;
    if (length > DNS_MOST_QUERY_BYTES || u16(bytes + QUESTIONS) != 1)
        return DNS_FORMAT_ERROR;
    query->end = read_question(bytes, length, query);
    if (query->end == 0 || !read_rest(bytes, length, query)) {
        query->end = 0;
        return DNS_FORMAT_ERROR;
    }
    // A transfer is more than one message, and what is not the Internet's is the host's own business.
    if (query->class != INTERNET || query->type == DNS_AXFR || query->type == DNS_IXFR)
        return DNS_REFUSED;
    return DNS_OK;
}

bool dns_is_answer(const uint8_t *bytes, size_t length, uint16_t id, const struct dns_query *query) {
    struct dns_query answered;
    if (length < DNS_HEADER_BYTES || u16(bytes + ID) != id ||
        (u16(bytes + FLAGS) & (RESPONSE | OPERATION)) != RESPONSE || u16(bytes + QUESTIONS) != 1)
        return false;
    return read_question(bytes, length, &answered) != 0 && answered.type == query->type &&
           answered.class == query->class &&
           dns_name_is(&answered.name, query->name.bytes, query->name.length);
}

unsigned dns_code(const uint8_t *bytes) {
    return u16(bytes + FLAGS) & CODE;
}

static uint8_t family_of(const struct record *record) {
    if (record->class != INTERNET)
        return 0;
    if (record->type == DNS_A && record->data_length == 4)
        return AF_INET;
    return record->type == DNS_AAAA && record->data_length == 16 ? AF_INET6 : 0;
}

// Aliases may lead round in a circle.
static bool is_among(const struct dns_address *addresses, int count, const struct dns_address *address) {
    for (int index = 0; index < count; index++) {
        if (addresses[index].family == address->family &&
            memcmp(addresses[index].address, address->address, sizeof address->address) == 0)
            return true;
    }
    return false;
}

// One look at all answers: the addresses of `name`; and what it is an alias of, if it is. False: broken.
static bool look(const uint8_t *bytes, size_t length, const struct dns_query *query, struct dns_name *name,
                 bool *alias, struct dns_address *addresses, int *count, int most) {
    struct dns_name target;
    size_t at = query->end;
    unsigned answers = u16(bytes + ANSWERS);
    *alias = false;
    for (; answers > 0; answers--) {
        struct record record;
        at = read_record(bytes, length, at, &record);
        if (at == 0)
            return false;
        if (!dns_name_is(name, record.name.bytes, record.name.length))
            continue;
        uint8_t family = family_of(&record);
        if (family != 0) {
            struct dns_address address = {.family = family, .ttl = record.ttl};
            memcpy(address.address, bytes + record.data, record.data_length);
            if (*count < most && !is_among(addresses, *count, &address))
                addresses[(*count)++] = address;
        } else if (record.type == DNS_CNAME && record.class == INTERNET) {
            if (read_name(bytes, record.data + record.data_length, record.data, &target) !=
                record.data + record.data_length)
                return false;
            *alias = true;
        }
    }
    if (*alias)
        *name = target;
    return true;
}

int dns_addresses(const uint8_t *bytes, size_t length, const struct dns_query *query,
                  struct dns_address *addresses, int most) {
    struct dns_query answered = {0};
    struct dns_name name = query->name;
    int count = 0;
    bool alias = true;
    if (length < DNS_HEADER_BYTES || u16(bytes + ANSWERS) > MOST_RECORDS)
        return -1;
    answered.end = read_question(bytes, length, &answered);
    if (answered.end == 0)
        return -1;
    for (int aliases = 0; alias && aliases < MOST_ALIASES; aliases++) {
        if (!look(bytes, length, &answered, &name, &alias, addresses, &count, most))
            return -1;
    }
    return count;
}

bool dns_name_of_text(const char *text, size_t length, struct dns_name *name) {
    size_t used = 0, from = 0;
    if (length > 0 && text[length - 1] == '.')
        length--;
    if (length == 0 || length > DNS_NAME_BYTES - 2)
        return false;
    while (from <= length) {
        const char *dot = memchr(text + from, '.', length - from);
        size_t size = (dot == NULL ? length : (size_t)(dot - text)) - from;
        if (size == 0 || size > 63)
            return false;
        name->bytes[used++] = (uint8_t)size;
        for (size_t index = 0; index < size; index++)
            name->bytes[used++] = lower((uint8_t)text[from + index]);
        from += size + 1;
    }
    name->bytes[used++] = 0;
    name->length = (uint8_t)used;
    return true;
}

bool dns_name_is(const struct dns_name *name, const uint8_t *bytes, size_t length) {
    return name->length == length && memcmp(name->bytes, bytes, length) == 0;
}

// At the border of a label: a name that only ends in the same letters is not below.
bool dns_name_is_below(const struct dns_name *name, const uint8_t *bytes, size_t length) {
    for (size_t at = name->length == 0 ? 0 : 1u + name->bytes[0]; at < name->length;
         at += 1u + name->bytes[at]) {
        if (name->length - at == length)
            return memcmp(name->bytes + at, bytes, length) == 0;
        if (name->bytes[at] == 0)
            break;
    }
    return false;
}
