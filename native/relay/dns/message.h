// Reads and makes messages of the domain name system (RFC 1035, RFC 6891), as far as a relay has to: the
// question, the room that the asker has for an answer, and the addresses that an answer gives. Pure; every
// byte is a stranger's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_HEADER_BYTES 12
#define DNS_NAME_BYTES 255
#define DNS_PLAIN_ROOM 512 // of who says nothing about it
#define DNS_MOST_QUERY_BYTES 4096
#define DNS_MOST_BYTES 65535

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_AAAA = 28, DNS_OPT = 41, DNS_IXFR = 251, DNS_AXFR = 252 };
enum dns_code {
    DNS_OK = 0,
    DNS_FORMAT_ERROR = 1,
    DNS_SERVER_FAILURE = 2,
    DNS_NOT_IMPLEMENTED = 4,
    DNS_REFUSED = 5
};

// As on the wire (labels with their lengths, the empty one last), in small letters, without compression.
struct dns_name {
    uint8_t length;
    uint8_t bytes[DNS_NAME_BYTES];
};

struct dns_query {
    uint16_t id;
    uint16_t type, class;
    uint16_t room; // for an answer by UDP
    bool extended; // with an OPT record
    size_t end;    // of the question; 0: there is none that could be repeated
    struct dns_name name;
};

// What to answer: DNS_OK where the query can be asked on; -1: nothing, it is no query.
int dns_read_query(const uint8_t *bytes, size_t length, struct dns_query *query);

// Whether it is the answer to that question, under that id.
bool dns_is_answer(const uint8_t *bytes, size_t length, uint16_t id, const struct dns_query *query);
unsigned dns_code(const uint8_t *bytes);

struct dns_address {
    uint8_t family; // AF_INET or AF_INET6
    uint8_t address[16];
    uint32_t ttl;
};

// The addresses of the question's name, and of what it is an alias of, and of nothing else that the answer
// may hold. Their number, at most `most`; -1: the answer is broken.
int dns_addresses(const uint8_t *bytes, size_t length, const struct dns_query *query,
                  struct dns_address *addresses, int most);

// Each makes an answer to the query with these bytes and returns its length; `answer` has room for
// DNS_MOST_QUERY_BYTES, and DNS_OWN_BYTES for every address.
#define DNS_OWN_BYTES 28
size_t dns_make_error(const uint8_t *bytes, const struct dns_query *query, enum dns_code code,
                      uint8_t *answer);
size_t dns_make_own(const uint8_t *bytes, const struct dns_query *query, const struct dns_address *addresses,
                    size_t count, uint8_t *answer);
// For who has no room for more than that there is more.
size_t dns_make_truncated(const uint8_t *bytes, const struct dns_query *query, unsigned code,
                          uint8_t *answer);

// "www.Example.org" or "www.example.org." as a name. False: it is none.
bool dns_name_of_text(const char *text, size_t length, struct dns_name *name);
bool dns_name_is(const struct dns_name *name, const uint8_t *bytes, size_t length);
// Whether it is a name below that one.
bool dns_name_is_below(const struct dns_name *name, const uint8_t *bytes, size_t length);
