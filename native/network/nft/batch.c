#include "nft/batch.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "cleanup.h"
#include "nft/reply.h"

#define FIRST_BYTES 8192
#define MOST_BYTES (64u * 1024 * 1024)
// What a socket may send at once by default (net.core.wmem_default), less what the kernel wants of it.
#define PLAIN_SEND_BYTES (128u * 1024)

int nft_open(struct err *err) {
    cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    struct sockaddr_nl own = {.nl_family = AF_NETLINK};
    if (fd < 0 || bind(fd, (const struct sockaddr *)&own, sizeof own) != 0)
        return err_sys(err, "open nfnetlink", NULL);
    return take_fd(&fd);
}

// Room for `length` more bytes, all zeros, aligned as netlink wants it; NULL where there is none.
static uint8_t *room(struct nft_batch *batch, size_t length) {
    size_t aligned = NLMSG_ALIGN(length);
    if (batch->failed || aligned > MOST_BYTES - batch->used) {
        batch->failed = true;
        return NULL;
    }
    if (batch->used + aligned > batch->size) {
        size_t size = batch->size == 0 ? FIRST_BYTES : batch->size;
        while (size < batch->used + aligned)
            size *= 2;
        uint8_t *larger = realloc(batch->bytes, size);
        if (larger == NULL) {
            batch->failed = true;
            return NULL;
        }
        batch->bytes = larger;
        batch->size = size;
    }
    uint8_t *place = batch->bytes + batch->used;
    memset(place, 0, aligned);
    batch->used += aligned;
    return place;
}

static void finish_message(struct nft_batch *batch) {
    if (batch->failed)
        return;
    uint32_t length = (uint32_t)(batch->used - batch->message);
    memcpy(batch->bytes + batch->message + offsetof(struct nlmsghdr, nlmsg_len), &length, sizeof length);
}

static void begin_message(struct nft_batch *batch, unsigned type, unsigned flags, unsigned family,
                          unsigned resource) {
    if (batch->used > 0)
        finish_message(batch);
    size_t at = batch->used;
    uint8_t *place = room(batch, NLMSG_HDRLEN + sizeof(struct nfgenmsg));
    if (place == NULL)
        return;
    batch->message = at;
    struct nlmsghdr header = {.nlmsg_type = (uint16_t)type,
                              .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
                              .nlmsg_seq = batch->sequence++};
    struct nfgenmsg general = {
        .nfgen_family = (uint8_t)family, .version = NFNETLINK_V0, .res_id = htobe16((uint16_t)resource)};
    memcpy(place, &header, sizeof header);
    memcpy(place + NLMSG_HDRLEN, &general, sizeof general);
}

void nft_begin(struct nft_batch *batch) {
    memset(batch, 0, sizeof *batch);
    begin_message(batch, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
}

void nft_free(struct nft_batch *batch) {
    free(batch->bytes);
    memset(batch, 0, sizeof *batch);
}

void nft_message(struct nft_batch *batch, unsigned type, unsigned flags) {
    begin_message(batch, NFNL_SUBSYS_NFTABLES << 8 | type, flags, batch->family, 0);
}

static void put_header(uint8_t *place, unsigned type, size_t length) {
    struct nlattr header = {.nla_len = (uint16_t)length, .nla_type = (uint16_t)type};
    memcpy(place, &header, sizeof header);
}

void nft_put(struct nft_batch *batch, unsigned type, const void *value, size_t length) {
    if (length > UINT16_MAX - NLA_HDRLEN)
        batch->failed = true;
    uint8_t *place = room(batch, NLA_HDRLEN + length);
    if (place == NULL)
        return;
    put_header(place, type, NLA_HDRLEN + length);
    memcpy(place + NLA_HDRLEN, value, length);
}

void nft_put_text(struct nft_batch *batch, unsigned type, const char *text) {
    nft_put(batch, type, text, strlen(text) + 1);
}

void nft_put_u32(struct nft_batch *batch, unsigned type, uint32_t value) {
    uint32_t big = htobe32(value);
    nft_put(batch, type, &big, sizeof big);
}

void nft_put_u64(struct nft_batch *batch, unsigned type, uint64_t value) {
    uint64_t big = htobe64(value);
    nft_put(batch, type, &big, sizeof big);
}

size_t nft_nest(struct nft_batch *batch, unsigned type) {
    size_t at = batch->used;
    uint8_t *place = room(batch, NLA_HDRLEN);
    if (place != NULL)
        put_header(place, type | NLA_F_NESTED, NLA_HDRLEN);
    return at;
}

void nft_nest_end(struct nft_batch *batch, size_t nest) {
    if (batch->used - nest > UINT16_MAX)
        batch->failed = true;
    if (batch->failed)
        return;
    uint16_t length = (uint16_t)(batch->used - nest);
    memcpy(batch->bytes + nest + offsetof(struct nlattr, nla_len), &length, sizeof length);
}

void nft_put_data(struct nft_batch *batch, unsigned type, const void *value, size_t length) {
    size_t nest = nft_nest(batch, type);
    nft_put(batch, NFTA_DATA_VALUE, value, length);
    nft_nest_end(batch, nest);
}

// Only the last message asks for an answer, which comes when everything counts; what is refused is told
// unasked.
static void ask_for_answer(struct nft_batch *batch) {
    uint16_t flags;
    uint8_t *place = batch->bytes + batch->message + offsetof(struct nlmsghdr, nlmsg_flags);
    memcpy(&flags, place, sizeof flags);
    flags |= NLM_F_ACK;
    memcpy(place, &flags, sizeof flags);
}

// The kernel has put all its answers into the socket before send(2) returns.
static int read_answers(int socket, struct err *err) {
    _Alignas(struct nlmsghdr) uint8_t bytes[16384];
    struct nft_answer answer = {0};
    for (;;) {
        ssize_t got = recv(socket, bytes, sizeof bytes, MSG_DONTWAIT | MSG_TRUNC);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break; // EAGAIN: that was all; ENOBUFS: of many refusals the first are there
        nft_read_answer(bytes, (size_t)got < sizeof bytes ? (size_t)got : sizeof bytes, &answer);
    }
    char object[64];
    if (answer.error == 0 && answer.done)
        return 0;
    (void)snprintf(object, sizeof object, "message %u of kind %u", answer.sequence, answer.type);
    errno = answer.error == 0 ? EPROTO : answer.error;
    return err_sys(err, "change nftables", object);
}

int nft_commit(int socket, struct nft_batch *batch, struct err *err) {
    if (!batch->failed)
        ask_for_answer(batch);
    begin_message(batch, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    finish_message(batch);
    if (batch->failed)
        return err_plain(err, FAILURE_MEMORY, "no memory for the rules of a network", NULL);
    if (batch->used > PLAIN_SEND_BYTES) {
        int size = (int)(2 * batch->used);
        (void)setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    }
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ssize_t sent;
    do {
        sent = sendto(socket, batch->bytes, batch->used, 0, (const struct sockaddr *)&kernel, sizeof kernel);
    } while (sent < 0 && errno == EINTR);
    if (sent != (ssize_t)batch->used)
        return err_sys(err, "send rules to the kernel", NULL);
    return read_answers(socket, err);
}
