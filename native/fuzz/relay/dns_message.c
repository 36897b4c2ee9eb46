// Fuzzes what the DNS relay reads of users and of servers: the first half of the input is the question, the
// second the answer. What it makes of either can be read again.

#include "dns/message.h"
#include "fuzz.h"

#define MOST 64

static void answer_by_ourselves(const uint8_t *bytes, const struct dns_query *query) {
    static const struct dns_address own[2] = {{.family = 2}, {.family = 10}};
    uint8_t made[DNS_MOST_QUERY_BYTES + 16 + 2 * DNS_OWN_BYTES];
    struct dns_address found[MOST];
    size_t sizes[3];
    sizes[0] = dns_make_error(bytes, query, DNS_SERVER_FAILURE, made);
    REQUIRE(dns_code(made) == DNS_SERVER_FAILURE);
    sizes[1] = dns_make_truncated(bytes, query, 0, made);
    sizes[2] = dns_make_own(bytes, query, own, 2, made);
    for (int index = 0; index < 3; index++)
        REQUIRE(sizes[index] >= DNS_HEADER_BYTES && sizes[index] <= sizeof made);
    if (query->end == 0)
        return;
    REQUIRE(dns_is_answer(made, sizes[2], query->id, query));
    int count = dns_addresses(made, sizes[2], query, found, MOST);
    REQUIRE(count == (query->type == DNS_A || query->type == DNS_AAAA ? 1 : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct dns_query query;
    struct dns_address addresses[MOST];
    if (length < 2)
        return 0;
    size_t asked = (size_t)(bytes[0] << 8 | bytes[1]) % (length - 1);
    uint8_t *question = malloc(asked + 1), *answer = malloc(length);
    if (question == NULL || answer == NULL)
        abort();
    memcpy(question, bytes + 2, asked);
    size_t answered = length - 2 - asked;
    memcpy(answer, bytes + 2 + asked, answered);
    // Again in memory of exactly their sizes.
    question = realloc(question, asked > 0 ? asked : 1);
    answer = realloc(answer, answered > 0 ? answered : 1);
    int code = dns_read_query(question, asked, &query);
    if (code >= 0)
        answer_by_ourselves(question, &query);
    if (code == DNS_OK) {
        (void)dns_is_answer(answer, answered, query.id, &query);
        int count = dns_addresses(answer, answered, &query, addresses, MOST);
        REQUIRE(count >= -1 && count <= MOST);
        for (int index = 0; index < count; index++)
            REQUIRE(addresses[index].family == 2 || addresses[index].family == 10);
    }
    free(question);
    free(answer);
    return 0;
}
