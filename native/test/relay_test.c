// Tests of what the DNS relay reads and makes (relay/dns): names, questions, answers, rules and servers.

#include <arpa/inet.h>
#include <string.h>

#include "check.h"
#include "dns/message.h"
#include "dns/policy.h"
#include "dns/servers.h"

static uint8_t text[1024];
static size_t used;

static void put(const void *bytes, size_t length) {
    memcpy(text + used, bytes, length);
    used += length;
}

static void put16(unsigned number) {
    const uint8_t bytes[2] = {(uint8_t)(number >> 8), (uint8_t)number};
    put(bytes, 2);
}

static void begin(unsigned id, unsigned flags, unsigned answers, unsigned additional) {
    used = 0;
    put16(id);
    put16(flags);
    put16(1);
    put16(answers);
    put16(0);
    put16(additional);
}

static void put_name(const char *name) {
    struct dns_name made;
    CHECK(dns_name_of_text(name, strlen(name), &made));
    put(made.bytes, made.length);
}

static void put_question(const char *name, unsigned type) {
    put_name(name);
    put16(type);
    put16(1);
}

static void put_record(const char *name, unsigned type, const void *data, size_t length) {
    put_name(name);
    put16(type);
    put16(1);
    put16(0);
    put16(90);
    put16((unsigned)length);
    put(data, length);
}

static void put_alias(const char *name, const char *target) {
    struct dns_name made;
    CHECK(dns_name_of_text(target, strlen(target), &made));
    put_record(name, DNS_CNAME, made.bytes, made.length);
}

static void test_names(void) {
    static const char long_label[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; // 64
    char long_name[255];
    struct dns_name name, below;
    CHECK(dns_name_of_text("Www.Example.ORG.", 16, &name) && name.length == 17);
    CHECK(memcmp(name.bytes, "\3www\7example\3org", 17) == 0);
    CHECK(!dns_name_of_text("", 0, &name) && !dns_name_of_text(".", 1, &name));
    CHECK(!dns_name_of_text("a..b", 4, &name) && !dns_name_of_text(".a", 2, &name));
    CHECK(!dns_name_of_text(long_label, 64, &name) && dns_name_of_text(long_label, 63, &name));
    for (size_t index = 0; index < sizeof long_name; index++)
        long_name[index] = index % 2 == 0 ? 'a' : '.';
    CHECK(dns_name_of_text(long_name, 253, &name) && name.length == 255);
    CHECK(!dns_name_of_text(long_name, 255, &name));
    CHECK(dns_name_of_text("example.org", 11, &name));
    const struct {
        const char *name;
        bool below;
    } names[] = {{"example.org", false},  {"a.example.org", true},  {"a.b.example.org", true},
                 {"aexample.org", false}, {"example.org.a", false}, {"org", false}};
    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        CHECK(dns_name_of_text(names[index].name, strlen(names[index].name), &below));
        CHECK(dns_name_is_below(&below, name.bytes, name.length) == names[index].below);
    }
    // A label that holds a dot is one label.
    static const uint8_t dotted[] = "\11a.example\3org";
    memcpy(below.bytes, dotted, sizeof dotted);
    below.length = sizeof dotted;
    CHECK(!dns_name_is_below(&below, name.bytes, name.length));
}

static void test_queries(void) {
    struct dns_query query;
    begin(7, 0x0100, 0, 0);
    put_question("www.example.org", DNS_A);
    CHECK(dns_read_query(text, used, &query) == DNS_OK && query.id == 7 && query.end == used);
    CHECK(query.room == 512 && !query.extended);
    for (size_t length = 0; length < used; length++) // cut anywhere
        CHECK(dns_read_query(text, length, &query) != DNS_OK);
    put16(0);
    CHECK(dns_read_query(text, used, &query) == DNS_FORMAT_ERROR); // more than it says
    begin(7, 0x0100, 0, 1);
    put_question("www.example.org", DNS_AAAA);
    static const uint8_t option[] = {0, 0, DNS_OPT, 16, 0, 0, 0, 0, 0, 0, 0};
    put(option, sizeof option);
    CHECK(dns_read_query(text, used, &query) == DNS_OK && query.room == 4096 && query.extended);
    text[2] |= 0x80;
    CHECK(dns_read_query(text, used, &query) == -1); // an answer
    text[2] = 0x28;
    CHECK(dns_read_query(text, used, &query) == DNS_NOT_IMPLEMENTED); // an update
    begin(7, 0, 0, 0);
    put_question("example.org", DNS_AXFR);
    CHECK(dns_read_query(text, used, &query) == DNS_REFUSED);
    // Pointers that lead on, to themselves or nowhere.
    static const uint8_t pointers[][2] = {{0xc0, 12}, {0xc0, 14}, {0xff, 0xff}, {0x80, 0}, {0x40, 0}};
    for (size_t index = 0; index < sizeof pointers / sizeof pointers[0]; index++) {
        begin(7, 0, 0, 0);
        put(pointers[index], 2);
        put16(DNS_A);
        put16(1);
        CHECK(dns_read_query(text, used, &query) == DNS_FORMAT_ERROR);
    }
}

static void test_answers(void) {
    struct dns_query query;
    struct dns_address found[8];
    begin(7, 0x0100, 0, 0);
    put_question("www.example.org", DNS_A);
    CHECK(dns_read_query(text, used, &query) == DNS_OK);
    CHECK(!dns_is_answer(text, used, 7, &query)); // a question
    begin(7, 0x8180, 5, 0);
    put_question("WWW.example.org", DNS_A);
    put_record("end.example", DNS_A, "\1\2\3\4", 4);
    put_record("other.example", DNS_A, "\5\6\7\10", 4);
    put_alias("middle.example", "end.example");
    put_alias("www.example.org", "middle.example");
    put_record("end.example", DNS_AAAA, "0123456789abcdef", 16);
    CHECK(dns_is_answer(text, used, 7, &query) && !dns_is_answer(text, used, 8, &query));
    CHECK(dns_addresses(text, used, &query, found, 8) == 2);
    CHECK(found[0].family == AF_INET && memcmp(found[0].address, "\1\2\3\4", 4) == 0 && found[0].ttl == 90);
    CHECK(found[1].family == AF_INET6 && memcmp(found[1].address, "0123456789abcdef", 16) == 0);
    CHECK(dns_addresses(text, used, &query, found, 1) == 1);
    for (size_t length = 0; length < used; length++)
        CHECK(dns_addresses(text, length, &query, found, 8) == -1);
    query.type = DNS_AAAA;
    CHECK(!dns_is_answer(text, used, 7, &query)); // to another question
}

static void test_rules(void) {
    static const char lines[] =
        "server 192.0.2.1\nname ada 10.0.0.1\nname ada fd00::1\npin 1 a.example\npin 2 *.example\n";
    struct policy *policy = policy_parse(lines, sizeof lines - 1, NULL);
    struct dns_name name;
    struct dns_address own[4];
    uint16_t sets[4];
    size_t count;
    CHECK(policy != NULL && policy->servers->count == 1);
    CHECK(dns_name_of_text("ADA", 3, &name) && policy_own(policy, &name, own, 4, &count) && count == 2);
    CHECK(policy_sets(policy, &name, sets, 4) == 0);
    CHECK(dns_name_of_text("a.example", 9, &name) && !policy_own(policy, &name, own, 4, &count));
    CHECK(policy_sets(policy, &name, sets, 4) == 2 && sets[0] == 1 && sets[1] == 2);
    CHECK(dns_name_of_text("example", 7, &name) && policy_sets(policy, &name, sets, 4) == 0);
    policy_free(policy);
    static const char *const wrong[] = {
        "server",      "server x",  "server 1.2.3.4 x", "name ada",   "name ada x",  "pin x a", "pin -1 a",
        "pin 65536 a", "pin 1 a b", "pin 1 *.",         "pin 1 a..b", "unknown a b", "pin 1  a"};
    for (size_t index = 0; index < sizeof wrong / sizeof wrong[0]; index++)
        CHECK(policy_parse(wrong[index], strlen(wrong[index]), NULL) == NULL);
    CHECK(policy_parse("pin 1 a\0b", 9, NULL) == NULL);
    policy = policy_parse("", 0, NULL);
    CHECK(policy != NULL && policy->servers == NULL);
    policy_free(policy);
}

static unsigned interface(const char *name) {
    return strcmp(name, "eth0") == 0 ? 3 : 0;
}

static void test_servers(void) {
    struct servers *servers =
        servers_of_file("# nameserver 9.9.9.9\nnameserver 127.0.0.53\n nameserver 8.8.8.8\n"
                        "nameserver\tfe80::1%eth0 ; here\nnameserver\nnameserver x\n"
                        "nameservers 1.1.1.1\nsearch example\nnameserver 2001:db8::1",
                        interface);
    CHECK(servers != NULL && servers->count == 3);
    CHECK(servers->list[0].address.four.sin_addr.s_addr == htonl(0x7f000035));
    CHECK(servers->list[0].address.four.sin_port == htons(53));
    CHECK(servers->list[1].address.six.sin6_scope_id == 3);
    CHECK(servers->list[2].size == sizeof(struct sockaddr_in6));
    servers_leave(servers_use(servers));
    servers_leave(servers);
    servers = servers_of_file("", interface); // resolv.conf(5)
    CHECK(servers->count == 1 && servers->list[0].address.four.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    servers_leave(servers);
}

int main(void) {
    test_names();
    test_queries();
    test_answers();
    test_rules();
    test_servers();
    (void)printf("relay_test: ok\n");
    return 0;
}
