// Makes answers of the relay's own.
#include <string.h>
#include <sys/socket.h>

#include "dns/layout.h"
#include "dns/message.h"

static size_t begin(const uint8_t *bytes, const struct dns_query *query, uint16_t flags, uint8_t *answer) {
    size_t end = query->end == 0 ? DNS_HEADER_BYTES : query->end;
    memcpy(answer, bytes, end);
    memset(answer + QUESTIONS, 0, DNS_HEADER_BYTES - QUESTIONS);
    uint16_t kept = u16(bytes + FLAGS) & (OPERATION | DESIRED);
    (void)put16(answer + FLAGS, (uint16_t)(RESPONSE | AVAILABLE | kept | flags));
    (void)put16(answer + QUESTIONS, query->end == 0 ? 0 : 1);
    return end;
}

// Who asks with an OPT record is answered with one (RFC 6891, section 6.1.1).
static size_t end_extended(const struct dns_query *query, uint8_t *answer, size_t at) {
    if (!query->extended || query->end == 0)
        return at;
    static const uint8_t record[11] = {0, 0, DNS_OPT, DNS_MOST_QUERY_BYTES >> 8};
    memcpy(answer + at, record, sizeof record);
    (void)put16(answer + ADDITIONAL, 1);
    return at + sizeof record;
}

size_t dns_make_error(const uint8_t *bytes, const struct dns_query *query, enum dns_code code,
                      uint8_t *answer) {
    return end_extended(query, answer, begin(bytes, query, (uint16_t)code, answer));
}

size_t dns_make_own(const uint8_t *bytes, const struct dns_query *query, const struct dns_address *addresses,
                    size_t count, uint8_t *answer) {
    size_t at = begin(bytes, query, AUTHORITATIVE, answer);
    uint16_t answers = 0;
    for (size_t index = 0; index < count; index++) {
        bool four = addresses[index].family == AF_INET;
        uint16_t size = four ? 4 : 16;
        if (query->type != (four ? DNS_A : DNS_AAAA))
            continue;
        at += put16(answer + at, 0xc000 | DNS_HEADER_BYTES); // the question's name
        at += put16(answer + at, query->type);
        at += put16(answer + at, INTERNET);
        at += put16(answer + at, 0);
        at += put16(answer + at, (uint16_t)addresses[index].ttl);
        at += put16(answer + at, size);
        memcpy(answer + at, addresses[index].address, size);
        at += size;
        answers++;
    }
    (void)put16(answer + ANSWERS, answers);
    return end_extended(query, answer, at);
}

size_t dns_make_truncated(const uint8_t *bytes, const struct dns_query *query, unsigned code,
                          uint8_t *answer) {
    return end_extended(query, answer, begin(bytes, query, (uint16_t)(TRUNCATED | code), answer));
}
