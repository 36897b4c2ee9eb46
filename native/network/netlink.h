// Talks netlink to the kernel: builds messages of rtnetlink and nfnetlink one behind the other, sends them at
// once and hears what has failed. The kernel works on a message while it is sent: when netlink_send() is
// back, everything has been done. A socket belongs for ever to the network namespace that it was opened in.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

// Close-on-exec. `protocol`: NETLINK_ROUTE, NETLINK_NETFILTER.
int netlink_open(int protocol, struct err *err);

// What the caller says about a message, should it fail.
struct netlink_step {
    const char *what;
    const char *object;
    int tolerated;
};

// Several messages. Begins as all zeros; where memory is short or a message too long, sending it fails.
struct netlink_batch {
    uint8_t *bytes;
    size_t size, used;
    size_t message; // where the last message begins
    size_t nested[8];
    size_t depth;
    struct netlink_step *steps; // one for each message
    size_t step_count;
    bool overflow;
};

// Forgets all messages, and keeps the memory for others.
void netlink_clear(struct netlink_batch *batch);
void netlink_free(struct netlink_batch *batch);

// Begins a message, whose attributes follow. `flags` besides NLM_F_REQUEST; `what` is the step that fails,
// for people, and stays with the caller, as `object` does (NULL: the kernel says it, where it can).
void netlink_begin(struct netlink_batch *batch, uint16_t type, uint16_t flags, const void *header,
                   size_t header_bytes, const char *what, const char *object);
// The last message may fail with this errno.
void netlink_tolerate(struct netlink_batch *batch, int number);
void netlink_put(struct netlink_batch *batch, uint16_t type, const void *value, size_t length);
void netlink_put_text(struct netlink_batch *batch, uint16_t type, const char *text); // with its NUL
void netlink_put_u8(struct netlink_batch *batch, uint16_t type, uint8_t value);
void netlink_put_u16(struct netlink_batch *batch, uint16_t type, uint16_t value); // in the host's order
void netlink_put_u32(struct netlink_batch *batch, uint16_t type, uint32_t value);
void netlink_put_u64(struct netlink_batch *batch, uint16_t type, uint64_t value);
void netlink_put_be16(struct netlink_batch *batch, uint16_t type,
                      uint16_t value); // in the network's, as nftables wants it
void netlink_put_be32(struct netlink_batch *batch, uint16_t type, uint32_t value);
void netlink_put_be64(struct netlink_batch *batch, uint16_t type, uint64_t value);
// Attributes until netlink_close() are inside this one. rtnetlink does not ask for NLA_F_NESTED, nfnetlink
// does: it is always set. `header` is what stands before the first of them (struct ifinfomsg of a veth's
// peer), or NULL.
void netlink_nest(struct netlink_batch *batch, uint16_t type);
void netlink_nest_header(struct netlink_batch *batch, uint16_t type, const void *header, size_t length);
void netlink_close(struct netlink_batch *batch);
// Ends the last message; sending does it as well.
void netlink_end(struct netlink_batch *batch);

// Sends what was put and hears the answers. 0, or -1 with the first message that failed and was not tolerated
// in `err`: its errno, with `code`. The others of rtnetlink have their effect all the same; those of
// nfnetlink stand between NFNL_MSG_BATCH_BEGIN and _END, and have it together or not at all.
int netlink_send(int socket, struct netlink_batch *batch, enum failure code, struct err *err);

// The same for one message that asks for something: every message that answers goes to `hear`, until the end
// of a dump (`flags` of the message say NLM_F_DUMP) or the one answer. A negative result of `hear` ends it,
// with its `err`.
struct netlink_message {
    uint16_t type;
    uint32_t sequence;
    uint32_t sender;     // of a notice: the port of the socket that has asked for what it is about
    const uint8_t *body; // behind struct nlmsghdr
    size_t length;
};
typedef int netlink_hear(void *context, const struct netlink_message *message, struct err *err);
int netlink_ask(int socket, struct netlink_batch *batch, netlink_hear *hear, void *context, enum failure code,
                struct err *err);

// Reads what came: messages, and attributes, each inside its bounds. False: there are no more.
struct netlink_reader {
    const uint8_t *at, *end;
};
struct netlink_attribute {
    uint16_t type; // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
    uint16_t length;
    const uint8_t *value;
};
bool netlink_next_message(struct netlink_reader *reader, struct netlink_message *message);
bool netlink_next_attribute(struct netlink_reader *reader, struct netlink_attribute *attribute);
// Those of a message behind a header of this length; none where it is shorter.
struct netlink_reader netlink_attributes(const struct netlink_message *message, size_t header_bytes);
