#include "keeper/screen/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MOST_BYTES (4u * 1024 * 1024)

// What there is of `wanted`. 0: nothing now; -1: nobody is there.
static ssize_t take(int socket, uint8_t *to, size_t wanted) {
    ssize_t got;
    do {
        got = recv(socket, to, wanted, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? 0 : -1;
    return got == 0 ? -1 : got;
}

static int read_header(struct answer *answer, int socket) {
    uint32_t length;
    while (answer->header_length < sizeof answer->header) {
        ssize_t got = take(socket, answer->header + answer->header_length,
                           sizeof answer->header - answer->header_length);
        if (got <= 0)
            return (int)got;
        answer->header_length += (size_t)got;
    }
    memcpy(&length, answer->header + 1, sizeof length);
    answer->type = (char)answer->header[0];
    answer->length = length;
    answer->done = 0;
    answer->bytes = length <= MOST_BYTES ? malloc(length + 1) : NULL;
    return answer->bytes != NULL ? 1 : -1;
}

int answer_read(struct answer *answer, int socket) {
    if (answer->bytes == NULL) {
        int begun = read_header(answer, socket);
        if (begun <= 0)
            return begun;
    }
    while (answer->done < answer->length) {
        ssize_t got = take(socket, answer->bytes + answer->done, answer->length - answer->done);
        if (got <= 0)
            return (int)got;
        answer->done += (size_t)got;
    }
    return 1;
}

void answer_forget(struct answer *answer) {
    free(answer->bytes);
    *answer = (struct answer){0};
}
