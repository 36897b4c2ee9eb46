// Builds netlink messages (netlink.h): sizes, alignment and what is nested in what.
#include <arpa/inet.h>
#include <endian.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "netlink.h"

#define MOST_BYTES (16 * 1024 * 1024) // above a plan with 4,096 rules, no two alike

// Zeroed room for `length` bytes at the end, aligned behind; NULL where there is none.
static uint8_t *extend(struct netlink_batch *batch, size_t length) {
    size_t aligned = NLMSG_ALIGN(length);
    if (batch->overflow || length > MOST_BYTES || batch->used + aligned > MOST_BYTES) {
        batch->overflow = true;
        return NULL;
    }
    if (batch->used + aligned > batch->size) {
        size_t size = batch->size == 0 ? 4096 : batch->size;
        while (size < batch->used + aligned)
            size *= 2;
        uint8_t *larger = realloc(batch->bytes, size);
        if (larger == NULL) {
            batch->overflow = true;
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

void netlink_clear(struct netlink_batch *batch) {
    batch->used = batch->message = batch->depth = batch->step_count = 0;
    batch->overflow = false;
}

void netlink_free(struct netlink_batch *batch) {
    free(batch->bytes);
    free(batch->steps);
    *batch = (struct netlink_batch){0};
}

static struct nlmsghdr *header_at(const struct netlink_batch *batch, size_t at) {
    return (struct nlmsghdr *)(void *)(batch->bytes + at);
}

void netlink_end(struct netlink_batch *batch) {
    if (batch->overflow || batch->step_count == 0)
        return;
    if (batch->depth != 0)
        batch->overflow = true; // a mistake of the caller's: what is open has no length
    header_at(batch, batch->message)->nlmsg_len = (uint32_t)(batch->used - batch->message);
}

void netlink_begin(struct netlink_batch *batch, uint16_t type, uint16_t flags, const void *header,
                   size_t header_bytes, const char *what, const char *object) {
    netlink_end(batch);
    if ((batch->step_count & (batch->step_count - 1)) == 0) {
        size_t room = batch->step_count == 0 ? 1 : 2 * batch->step_count;
        struct netlink_step *larger = reallocarray(batch->steps, room, sizeof *larger);
        if (larger == NULL)
            batch->overflow = true;
        else
            batch->steps = larger;
    }
    size_t at = batch->used;
    if (extend(batch, sizeof(struct nlmsghdr)) == NULL)
        return;
    batch->message = at;
    struct nlmsghdr *message = header_at(batch, at);
    message->nlmsg_type = type;
    message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    message->nlmsg_seq = (uint32_t)batch->step_count + 1;
    batch->steps[batch->step_count++] = (struct netlink_step){.what = what, .object = object};
    uint8_t *body = header_bytes > 0 ? extend(batch, header_bytes) : NULL;
    if (body != NULL)
        memcpy(body, header, header_bytes);
}

void netlink_tolerate(struct netlink_batch *batch, int number) {
    if (!batch->overflow && batch->step_count > 0)
        batch->steps[batch->step_count - 1].tolerated = number;
}

void netlink_put(struct netlink_batch *batch, uint16_t type, const void *value, size_t length) {
    if (length > UINT16_MAX - sizeof(struct nlattr)) {
        batch->overflow = true;
        return;
    }
    uint8_t *place = extend(batch, sizeof(struct nlattr) + length);
    if (place == NULL)
        return;
    const struct nlattr attribute = {.nla_len = (uint16_t)(sizeof attribute + length), .nla_type = type};
    memcpy(place, &attribute, sizeof attribute);
    if (length > 0)
        memcpy(place + sizeof attribute, value, length);
}

void netlink_put_text(struct netlink_batch *batch, uint16_t type, const char *text) {
    netlink_put(batch, type, text, strlen(text) + 1);
}

void netlink_put_u8(struct netlink_batch *batch, uint16_t type, uint8_t value) {
    netlink_put(batch, type, &value, sizeof value);
}

void netlink_put_u16(struct netlink_batch *batch, uint16_t type, uint16_t value) {
    netlink_put(batch, type, &value, sizeof value);
}

void netlink_put_u32(struct netlink_batch *batch, uint16_t type, uint32_t value) {
    netlink_put(batch, type, &value, sizeof value);
}

void netlink_put_u64(struct netlink_batch *batch, uint16_t type, uint64_t value) {
    netlink_put(batch, type, &value, sizeof value);
}

void netlink_put_be16(struct netlink_batch *batch, uint16_t type, uint16_t value) {
    netlink_put_u16(batch, type, htons(value));
}

void netlink_put_be32(struct netlink_batch *batch, uint16_t type, uint32_t value) {
    netlink_put_u32(batch, type, htonl(value));
}

void netlink_put_be64(struct netlink_batch *batch, uint16_t type, uint64_t value) {
    netlink_put_u64(batch, type, htobe64(value));
}

void netlink_nest(struct netlink_batch *batch, uint16_t type) {
    netlink_nest_header(batch, type, NULL, 0);
}

void netlink_nest_header(struct netlink_batch *batch, uint16_t type, const void *header, size_t length) {
    if (batch->depth == sizeof batch->nested / sizeof *batch->nested) {
        batch->overflow = true;
        return;
    }
    batch->nested[batch->depth++] = batch->used;
    netlink_put(batch, type | NLA_F_NESTED, header, length);
}

void netlink_close(struct netlink_batch *batch) {
    if (batch->overflow || batch->depth == 0) {
        batch->overflow = true;
        return;
    }
    size_t at = batch->nested[--batch->depth];
    size_t length = batch->used - at;
    if (length > UINT16_MAX) {
        batch->overflow = true;
        return;
    }
    const uint16_t short_length = (uint16_t)length;
    memcpy(batch->bytes + at, &short_length, sizeof short_length); // nla_len
}
