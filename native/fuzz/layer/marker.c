// Fuzzes the requests to the process that keeps a capability while another one reads an archive: it marks
// folders with its own three marks, or ends, and keeps no descriptor.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "fuzz.h"
#include "overlay/marker.h"

// Each message: a byte for its length, a byte for what it carries, then its bytes.
static void send_messages(int socket, const uint8_t *bytes, size_t length) {
    for (size_t at = 0; at + 2 <= length;) {
        size_t size = bytes[at];
        unsigned count = bytes[at + 1] % 3;
        at += 2;
        size = size <= length - at ? size : length - at;
        int fds[2] = {socket, socket};
        struct iovec iov = {.iov_base = (void *)(uintptr_t)(bytes + at), .iov_len = size};
        union {
            struct cmsghdr align;
            char space[CMSG_SPACE(2 * sizeof(int))];
        } control = {0};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
        if (count > 0) {
            message.msg_control = control.space;
            message.msg_controllen = CMSG_SPACE(count * sizeof(int));
            struct cmsghdr *header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(count * sizeof(int));
            memcpy(CMSG_DATA(header), fds, count * sizeof(int));
        }
        if (sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            return;
        at += size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    int pair[2];
    struct unpack_result result = {0};
    struct err err = {0};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
        abort();
    int free_fd = fuzz_free_fd();
    send_messages(pair[0], bytes, length);
    (void)shutdown(pair[0], SHUT_WR);
    int served = marker_serve(pair[1], CLOSED_FD, &result, &err);
    REQUIRE(served >= -1 && served <= 1 && (served >= 0 || err.what[0] != '\0'));
    REQUIRE(fuzz_free_fd() == free_fd);
    (void)close(pair[0]);
    (void)close(pair[1]);
    return 0;
}
