// Transactions for nftables are well formed whatever is put in, ranges cover exactly what was added to them,
// and what the kernel or a user's packet says is taken apart without a byte too many.
#include "check.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>

#include "host/table.h"
#include "nft/object.h"
#include "nft/reply.h"
#include "nft/rule.h"
#include "refused.h"
#include "rules/ranges.h"
#include "words.h"

static struct net_prefix prefix_of(const char *text) {
    char copy[64];
    struct net_prefix prefix;
    (void)snprintf(copy, sizeof copy, "%s", text);
    CHECK(range_of(copy, &prefix));
    return prefix;
}

static void a_rule_is_messages_in_messages(void) {
    struct nft_batch batch;
    struct netlink_message message;
    struct netlink_attribute attribute, expression;
    nft_begin(&batch);
    nft_use_table(&batch, NFPROTO_INET, "t");
    nft_rule_begin(&batch, "c");
    nft_is_family(&batch, NFPROTO_IPV4);
    nft_verdict(&batch, NF_ACCEPT, NULL);
    nft_rule_end(&batch);
    nft_table_delete(&batch); // which ends the rule's message
    CHECK(!batch.messages.overflow);
    struct netlink_reader reader = {batch.messages.bytes, batch.messages.bytes + batch.messages.used};
    CHECK(netlink_next_message(&reader, &message) && message.type == NFNL_MSG_BATCH_BEGIN);
    CHECK(netlink_next_message(&reader, &message) &&
          message.type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE));
    CHECK(nft_find_in_message(&message, NFTA_RULE_CHAIN, &attribute) && nft_is_text(&attribute, "c"));
    CHECK(nft_find_in_message(&message, NFTA_RULE_EXPRESSIONS, &attribute));
    struct netlink_reader inside = nft_inside(&attribute);
    static const char *const names[] = {"meta", "cmp", "immediate"};
    for (size_t index = 0; index < 3; index++) {
        struct netlink_attribute name;
        CHECK(netlink_next_attribute(&inside, &expression));
        CHECK(nft_find(nft_inside(&expression), NFTA_EXPR_NAME, &name) && nft_is_text(&name, names[index]));
    }
    CHECK(inside.at == inside.end);
    nft_free(&batch);
}

static void what_does_not_fit_fails_whole(void) {
    static const uint8_t large[UINT16_MAX];
    struct nft_batch batch;
    struct err err = {0};
    nft_begin(&batch);
    nft_message(&batch, NFT_MSG_NEWTABLE, 0, "try");
    netlink_put(&batch.messages, 1, large, sizeof large);
    CHECK(batch.messages.overflow && nft_commit(-1, &batch, &err) == -1 && err.number == ENOMEM);
    nft_free(&batch);
}

static void ranges_touch_no_more(void) {
    static const char *const parts[] = {"10.0.0.0/9", "10.128.0.0/9",    "192.0.2.7",   "192.0.2.0/28",
                                        "0.0.0.0/8",  "255.255.255.255", "240.0.0.0/4", "::1"};
    struct ranges ranges = {.family = AF_INET};
    for (size_t index = 0; index < sizeof parts / sizeof *parts; index++) {
        struct net_prefix prefix = prefix_of(parts[index]);
        ranges_add(&ranges, &prefix);
    }
    ranges_merge(&ranges);
    CHECK(ranges.count == 4 && !ranges.failed);
    CHECK(memcmp(ranges.list[1].first, "\x0a\0\0\0", 4) == 0);
    CHECK(memcmp(ranges.list[1].last, "\x0a\xff\xff\xff", 4) == 0);
    CHECK(memcmp(ranges.list[3].last, "\xff\xff\xff\xff", 4) == 0);
    ranges_free(&ranges);
}

static bool covers(const struct net_prefix *prefix, const uint8_t address[4]) {
    for (unsigned bit = 0; bit < prefix->prefix; bit++) {
        if (((prefix->address[bit / 8] ^ address[bit / 8]) & (0x80u >> bit % 8)) != 0)
            return false;
    }
    return true;
}

static void ranges_are_what_was_added(void) {
    uint64_t state = 42;
    for (int round = 0; round < 300; round++) {
        struct ranges ranges = {.family = AF_INET};
        struct net_prefix prefixes[20];
        size_t count = 1 + random_below(&state, 20);
        for (size_t index = 0; index < count; index++) {
            // In the space of a /24, so that they meet.
            struct net_prefix prefix = {AF_INET, {10, 0, 0}, (uint8_t)(24 + random_below(&state, 9))};
            prefix.address[3] = (uint8_t)random_below(&state, 256);
            prefixes[index] = prefix;
            ranges_add(&ranges, &prefix);
        }
        ranges_merge(&ranges);
        for (unsigned last = 0; last < 256; last++) {
            uint8_t address[4] = {10, 0, 0, (uint8_t)last};
            bool wanted = false;
            size_t found = 0;
            for (size_t index = 0; index < count; index++)
                wanted |= covers(&prefixes[index], address);
            for (size_t index = 0; index < ranges.count; index++)
                found += memcmp(ranges.list[index].first, address, 4) <= 0 &&
                         memcmp(ranges.list[index].last, address, 4) >= 0;
            CHECK(found == wanted);
        }
        ranges_free(&ranges);
    }
}

static size_t logged(uint8_t bytes[512], const uint8_t *packet, size_t length) {
    struct nlmsghdr header = {.nlmsg_len =
                                  (uint32_t)(NLMSG_HDRLEN + sizeof(struct nfgenmsg) + NLA_HDRLEN + length),
                              .nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET};
    struct nlattr attribute = {.nla_len = (uint16_t)(NLA_HDRLEN + length), .nla_type = NFULA_PAYLOAD};
    memset(bytes, 0, 512);
    memcpy(bytes, &header, sizeof header);
    memcpy(bytes + 20, &attribute, sizeof attribute);
    memcpy(bytes + 24, packet, length);
    return header.nlmsg_len;
}

static struct refused_list refused_of(const uint8_t *packet, size_t length) {
    uint8_t bytes[512];
    struct refused_list list = {0};
    size_t size = logged(bytes, packet, length);
    rules_refused_parse(bytes, size, &list);
    rules_refused_parse(bytes, size, &list);
    return list;
}

static void a_refused_packet_is_read(void) {
    uint8_t four[24] = {[0] = 0x45, [9] = 6, [16] = 192, [17] = 0, [18] = 2, [19] = 9, [22] = 1, [23] = 187};
    struct refused_list list = refused_of(four, sizeof four);
    CHECK(list.count == 1 && list.list[0].count == 2 && list.list[0].port == 443 &&
          list.list[0].protocol == 6);
    CHECK(memcmp(list.list[0].address, "\xc0\0\x02\x09", 4) == 0);
    four[7] = 1; // a later fragment: no ports in it
    list = refused_of(four, sizeof four);
    CHECK(list.count == 1 && list.list[0].port == 0);
    four[0] = 0x44;
    CHECK(refused_of(four, sizeof four).count == 0);
    CHECK(refused_of(four, 19).count == 0);

    uint8_t six[40 + 8 + 8] = {[0] = 0x60, [6] = 60, [24] = 0xfd, [39] = 1, [40] = 17, [50] = 0, [51] = 53};
    list = refused_of(six, sizeof six);
    CHECK(list.count == 1 && list.list[0].protocol == 17 && list.list[0].port == 53);
    list = refused_of(six, 40);
    CHECK(list.count == 1 && list.list[0].protocol == 60 && list.list[0].port == 0);
    CHECK(refused_of(six, 39).count == 0);
}

static void damaged_bytes_are_survived(void) {
    uint64_t state = 7;
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[512], packet[64] = {[0] = 0x60, [6] = 0, [40] = 43, [48] = 44, [56] = 6};
        size_t size = damage(&state, bytes, logged(bytes, packet, sizeof packet));
        uint8_t *exact = malloc(size == 0 ? 1 : size);
        struct refused_list list = {0};
        memcpy(exact, bytes, size);
        rules_refused_parse(exact, size, &list);
        (void)host_table_is_changed_by(exact, size, 0);
        free(exact);
    }
}

static void only_others_change_our_table(void) {
    struct {
        struct nlmsghdr header;
        struct nfgenmsg general;
        struct nlattr attribute;
        char name[12];
    } notice = {{0, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELRULE, 0, 0, 4242},
                {NFPROTO_INET, 0, 0},
                {NLA_HDRLEN + sizeof HOST_TABLE, NFTA_RULE_TABLE},
                HOST_TABLE};
    const uint8_t *bytes = (const uint8_t *)&notice;
    notice.header.nlmsg_len = sizeof notice;
    CHECK(host_table_is_changed_by(bytes, sizeof notice, 1));
    CHECK(!host_table_is_changed_by(bytes, sizeof notice, 4242));
    CHECK(!host_table_is_changed_by(bytes, sizeof notice - 1, 1));
    notice.general.nfgen_family = NFPROTO_IPV4;
    CHECK(!host_table_is_changed_by(bytes, sizeof notice, 1));
    notice.general.nfgen_family = NFPROTO_INET;
    notice.name[0] = 'x';
    CHECK(!host_table_is_changed_by(bytes, sizeof notice, 1));
}

int main(void) {
    only_others_change_our_table();
    a_rule_is_messages_in_messages();
    what_does_not_fit_fails_whole();
    ranges_touch_no_more();
    ranges_are_what_was_added();
    a_refused_packet_is_read();
    damaged_bytes_are_survived();
    (void)printf("nft_test: ok\n");
    return 0;
}
