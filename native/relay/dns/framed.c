#include "dns/framed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

static const size_t head_bytes = 2;

static enum framed_state after(ssize_t moved) {
    if (moved < 0 && (errno == EAGAIN || errno == EINTR))
        return FRAMED_MORE;
    return moved <= 0 ? FRAMED_BROKEN : FRAMED_WHOLE;
}

static bool allocate(struct framed *framed, size_t most) {
    framed->length = (size_t)framed->head[0] << 8 | framed->head[1];
    if (framed->length == 0 || framed->length > most)
        return false;
    framed->bytes = malloc(framed->length);
    return framed->bytes != NULL;
}

enum framed_state framed_read(int fd, struct framed *framed, size_t most) {
    for (;;) {
        bool head = framed->done < head_bytes;
        uint8_t *to = head ? framed->head + framed->done : framed->bytes + (framed->done - head_bytes);
        size_t left = head ? head_bytes - framed->done : framed->length + head_bytes - framed->done;
        ssize_t got = recv(fd, to, left, MSG_DONTWAIT);
        enum framed_state state = after(got);
        if (state != FRAMED_WHOLE)
            return state;
        framed->done += (size_t)got;
        if (head && framed->done == head_bytes && !allocate(framed, most))
            return FRAMED_BROKEN;
        if (!head && framed->done == framed->length + head_bytes)
            return FRAMED_WHOLE;
    }
}

bool framed_begin(struct framed *framed, const uint8_t *bytes, size_t length) {
    framed->bytes = malloc(length);
    if (framed->bytes == NULL || length > UINT16_MAX)
        return false;
    memcpy(framed->bytes, bytes, length);
    framed->head[0] = (uint8_t)(length >> 8);
    framed->head[1] = (uint8_t)length;
    framed->length = length;
    framed->done = 0;
    return true;
}

// Both parts in one call: two would be two packets.
enum framed_state framed_write(int fd, struct framed *framed) {
    for (;;) {
        size_t head = framed->done < head_bytes ? framed->done : head_bytes, body = framed->done - head;
        struct iovec parts[2] = {{framed->head + head, head_bytes - head},
                                 {framed->bytes + body, framed->length - body}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        enum framed_state state = after(sent);
        if (state != FRAMED_WHOLE)
            return state;
        framed->done += (size_t)sent;
        if (framed->done == framed->length + head_bytes)
            return FRAMED_WHOLE;
    }
}

void framed_clear(struct framed *framed) {
    free(framed->bytes);
    *framed = (struct framed){0};
}
