#include "netlink.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "cleanup.h"

#define ANSWER_BYTES 32768 // what the kernel fills at most with one message of a dump

int netlink_open(int protocol, struct err *err) {
    const int on = 1;
    cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return err_sys(err, "open a netlink socket", NULL);
    // The kernel says in words what it does not like, and does not repeat what it was sent.
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    return take_fd(&fd);
}

// ---- reading -----------------------------------------------------------------------------------------

bool netlink_next_message(struct netlink_reader *reader, struct netlink_message *message) {
    struct nlmsghdr header;
    size_t left = (size_t)(reader->end - reader->at);
    if (left < sizeof header)
        return false;
    memcpy(&header, reader->at, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > left)
        return false;
    *message = (struct netlink_message){.type = header.nlmsg_type,
                                        .sequence = header.nlmsg_seq,
                                        .sender = header.nlmsg_pid,
                                        .body = reader->at + sizeof header,
                                        .length = header.nlmsg_len - sizeof header};
    size_t step = NLMSG_ALIGN(header.nlmsg_len);
    reader->at = step < left ? reader->at + step : reader->end;
    return true;
}

bool netlink_next_attribute(struct netlink_reader *reader, struct netlink_attribute *attribute) {
    struct nlattr header;
    size_t left = (size_t)(reader->end - reader->at);
    if (left < sizeof header)
        return false;
    memcpy(&header, reader->at, sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > left)
        return false;
    *attribute = (struct netlink_attribute){.type = header.nla_type & NLA_TYPE_MASK,
                                            .length = (uint16_t)(header.nla_len - sizeof header),
                                            .value = reader->at + sizeof header};
    size_t step = NLA_ALIGN(header.nla_len);
    reader->at = step < left ? reader->at + step : reader->end;
    return true;
}

struct netlink_reader netlink_attributes(const struct netlink_message *message, size_t header_bytes) {
    const uint8_t *end = message->body + message->length;
    size_t skipped = NLMSG_ALIGN(header_bytes);
    return (struct netlink_reader){.at = skipped < message->length ? message->body + skipped : end,
                                   .end = end};
}

// ---- sending -----------------------------------------------------------------------------------------

static struct nlmsghdr *header_at(const struct netlink_batch *batch, size_t at) {
    return (struct nlmsghdr *)(void *)(batch->bytes + at);
}

// What the kernel says about it in words; empty where it says nothing.
static void copy_reason(const struct netlink_message *message, char *text, size_t size) {
    struct netlink_reader reader = netlink_attributes(message, sizeof(struct nlmsgerr));
    struct netlink_attribute attribute;
    text[0] = '\0';
    while (netlink_next_attribute(&reader, &attribute)) {
        if (attribute.type != NLMSGERR_ATTR_MSG)
            continue;
        size_t length = strnlen((const char *)attribute.value, attribute.length);
        length = length < size - 1 ? length : size - 1;
        memcpy(text, attribute.value, length);
        text[length] = '\0';
    }
}

// 0: a success, or a failure that is tolerated.
static int hear_answer(const struct netlink_batch *batch, const struct netlink_message *message,
                       enum failure code, struct err *err) {
    int number;
    if (message->length < sizeof number)
        return err_plain(err, code, "understand what netlink answers", NULL);
    memcpy(&number, message->body, sizeof number);
    size_t index = message->sequence - 1; // of another message than ours: very large
    const struct netlink_step *step = index < batch->step_count ? &batch->steps[index] : NULL;
    if (number == 0 || (step != NULL && step->tolerated == -number))
        return 0;
    char reason[128];
    copy_reason(message, reason, sizeof reason);
    const char *object = step != NULL ? step->object : NULL;
    errno = -number;
    return err_code(err, code, step != NULL ? step->what : "talk to the kernel by netlink",
                    object == NULL && reason[0] != '\0' ? reason : object);
}

static int send_all(int socket, struct netlink_batch *batch, enum failure code, struct err *err) {
    netlink_end(batch);
    if (batch->overflow || batch->step_count == 0) {
        errno = ENOMEM;
        return err_code(err, code, "write a netlink message", NULL);
    }
    ssize_t sent;
    do {
        sent = send(socket, batch->bytes, batch->used, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? err_code(err, code, "send a netlink message", NULL) : 0;
}

// The last message answers in any case, so that nothing passes for done where the kernel has stopped before
// it.
static size_t ask_for_answer(struct netlink_batch *batch) {
    size_t last = 0;
    uint32_t sequence = 0;
    for (size_t at = 0; at + sizeof(struct nlmsghdr) <= batch->used;
         at += NLMSG_ALIGN(header_at(batch, at)->nlmsg_len)) {
        if (header_at(batch, at)->nlmsg_type == NFNL_MSG_BATCH_END) // kernels differ in whether it does
            continue;
        last = at;
        sequence = header_at(batch, at)->nlmsg_seq;
    }
    header_at(batch, last)->nlmsg_flags |= NLM_F_ACK;
    return sequence;
}

int netlink_send(int socket, struct netlink_batch *batch, enum failure code, struct err *err) {
    netlink_end(batch);
    size_t awaited = batch->overflow || batch->step_count == 0 ? 0 : ask_for_answer(batch);
    if (send_all(socket, batch, code, err) != 0)
        return -1;
    uint8_t answer[4096];
    bool answered = false;
    int result = 0;
    for (;;) {
        ssize_t length = recv(socket, answer, sizeof answer, MSG_DONTWAIT);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0 && errno == EAGAIN)
            break;
        if (length < 0)
            return result != 0 ? result : err_code(err, code, "hear what netlink answers", NULL);
        struct netlink_reader reader = {.at = answer, .end = answer + length};
        struct netlink_message message;
        while (netlink_next_message(&reader, &message)) {
            if (message.type != NLMSG_ERROR)
                continue;
            answered |= message.sequence == awaited;
            if (result == 0)
                result = hear_answer(batch, &message, code, err);
        }
    }
    if (result == 0 && !answered)
        return err_plain(err, code, "hear what netlink answers", NULL);
    return result;
}

int netlink_ask(int socket, struct netlink_batch *batch, netlink_hear *hear, void *context, enum failure code,
                struct err *err) {
    if (send_all(socket, batch, code, err) != 0)
        return -1;
    bool dump = (header_at(batch, batch->message)->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    cleanup_free uint8_t *answer = malloc(ANSWER_BYTES);
    if (answer == NULL)
        return err_sys(err, "hear what netlink answers", NULL);
    for (;;) {
        // Without waiting: the next part of a dump is made while the one before is received.
        ssize_t length = recv(socket, answer, ANSWER_BYTES, MSG_DONTWAIT);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return err_code(err, code, "hear what netlink answers", NULL);
        struct netlink_reader reader = {.at = answer, .end = answer + length};
        struct netlink_message message;
        while (netlink_next_message(&reader, &message)) {
            if (message.type == NLMSG_DONE)
                return 0;
            if (message.type == NLMSG_ERROR)
                return hear_answer(batch, &message, code, err);
            if (hear(context, &message, err) < 0)
                return -1;
            if (!dump)
                return 0;
        }
    }
}
