#include "overlay/marker.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "overlay/marks.h"
#include "overlay/overlay.h"

enum { WRITE_EVERY_MS = 500 };

enum marker_kind { MARKER_OPAQUE = 1, MARKER_RESULT = 2, MARKER_IMPLIED = 3, MARKER_WHITEOUTS = 4 };

struct marker_message {
    uint32_t kind;
    struct unpack_result result;
};

union fd_space {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static int ask(int socket, enum marker_kind kind, int folder, struct err *err) {
    struct marker_message request = {.kind = kind};
    struct iovec iov = {.iov_base = &request, .iov_len = sizeof request};
    union fd_space control;
    memset(&control, 0, sizeof control);
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &folder, sizeof folder);
    int32_t answer;
    if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ||
        recv(socket, &answer, sizeof answer, 0) != sizeof answer)
        return err_sys(err, "ask for a mark on a folder", "");
    errno = answer;
    return answer == 0 ? 0 : err_sys(err, "mark the folder", "");
}

int marker_ask_opaque(int socket, int folder, struct err *err) {
    return ask(socket, MARKER_OPAQUE, folder, err);
}

int marker_ask_implied(int socket, int folder, struct err *err) {
    return ask(socket, MARKER_IMPLIED, folder, err);
}

int marker_ask_whiteouts(int socket, int folder, struct err *err) {
    return ask(socket, MARKER_WHITEOUTS, folder, err);
}

int marker_send_result(int socket, const struct unpack_result *result, struct err *err) {
    struct marker_message message = {.kind = MARKER_RESULT, .result = *result};
    if (send(socket, &message, sizeof message, MSG_NOSIGNAL) < 0)
        return err_sys(err, "report the result", "");
    return 0;
}

// The room that alignment leaves behind one descriptor can hold a second: whoever sends that is not believed,
// and gets no descriptor of ours used up.
static void take_descriptors(struct msghdr *received, int *fd) {
    struct cmsghdr *header = CMSG_FIRSTHDR(received);
    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < count; index++) {
        int one;
        memcpy(&one, CMSG_DATA(header) + index * sizeof one, sizeof one);
        if (count == 1)
            *fd = one;
        else
            close_fd(one);
    }
}

// Receives one message, with the descriptor in it if there is one. Returns its length, 0 at the end.
static ssize_t receive(int socket, struct marker_message *message, int *fd) {
    struct iovec iov = {.iov_base = message, .iov_len = sizeof *message};
    union fd_space control;
    struct msghdr received = {.msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control.bytes};
    ssize_t length;
    do {
        length = recvmsg(socket, &received, MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    if (length >= 0)
        take_descriptors(&received, fd);
    return length;
}

static const char *attribute_of(uint32_t kind) {
    switch (kind) {
    case MARKER_IMPLIED:
        return IMPLIED_FOLDER;
    case MARKER_WHITEOUTS:
        return HAS_WHITEOUTS;
    default:
        return OVERLAY_OPAQUE;
    }
}

static int32_t mark(int folder, const char *attribute) {
    struct stat info;
    if (fstat(folder, &info) < 0)
        return errno;
    if (!S_ISDIR(info.st_mode))
        return ENOTDIR;
    return fsetxattr(folder, attribute, "y", 1, 0) < 0 ? errno : 0;
}

// The disk works while the other side does: by itself the kernel would begin when all is there, and be waited
// for. A failure that is told here is not told again.
static int write_until_asked(int socket, int root, struct err *err) {
    struct pollfd asked = {.fd = socket, .events = POLLIN};
    while (poll(&asked, 1, WRITE_EVERY_MS) == 0)
        if (syncfs(root) < 0)
            return err_sys(err, "write the layer to the disk", "");
    return 0;
}

int marker_serve(int socket, int root, struct unpack_result *result, struct err *err) {
    for (;;) {
        struct marker_message message;
        cleanup_fd int folder = CLOSED_FD;
        if (write_until_asked(socket, root, err) < 0)
            return -1;
        ssize_t length = receive(socket, &message, &folder);
        if (length < 0)
            return err_sys(err, "hear from the unpacking process", "");
        if (length == 0)
            return 0;
        if (length != sizeof message)
            return err_plain(err, FAILURE_REFUSED, "a message of a wrong size from the unpacking process",
                             "");
        if (message.kind == MARKER_RESULT) {
            *result = message.result;
            return 1;
        }
        int32_t answer = mark(folder, attribute_of(message.kind));
        if (send(socket, &answer, sizeof answer, MSG_NOSIGNAL) < 0)
            return err_sys(err, "answer the unpacking process", "");
    }
}
