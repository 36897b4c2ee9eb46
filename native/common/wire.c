#include "wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"

static void append(struct wire_writer *writer, const void *bytes, size_t length) {
    if (writer->overflow || length > writer->size - writer->used) {
        writer->overflow = true;
        return;
    }
    if (length > 0)
        memcpy(writer->bytes + writer->used, bytes, length);
    writer->used += length;
}

void wire_start(struct wire_writer *writer, uint8_t *bytes, size_t size, enum wire_type type) {
    writer->bytes = bytes;
    writer->size = size < WIRE_MAX_BYTES ? size : WIRE_MAX_BYTES;
    writer->used = 0;
    writer->overflow = false;
    uint32_t magic = WIRE_MAGIC;
    uint16_t type16 = (uint16_t)type;
    uint16_t fd_count = 0;
    uint32_t length = 0;
    append(writer, &magic, sizeof magic);
    append(writer, &type16, sizeof type16);
    append(writer, &fd_count, sizeof fd_count);
    append(writer, &length, sizeof length);
}

void wire_put(struct wire_writer *writer, enum wire_tag tag, const void *value, size_t length) {
    if (length > WIRE_MAX_BYTES) {
        writer->overflow = true;
        return;
    }
    uint32_t head[2] = {(uint32_t)tag, (uint32_t)length};
    append(writer, head, sizeof head);
    append(writer, value, length);
}

void wire_put_text(struct wire_writer *writer, enum wire_tag tag, const char *text) {
    wire_put(writer, tag, text, strlen(text));
}

void wire_put_u32(struct wire_writer *writer, enum wire_tag tag, uint32_t value) {
    wire_put(writer, tag, &value, sizeof value);
}

void wire_put_u64(struct wire_writer *writer, enum wire_tag tag, uint64_t value) {
    wire_put(writer, tag, &value, sizeof value);
}

size_t wire_finish(struct wire_writer *writer, unsigned fd_count) {
    if (writer->overflow || fd_count > WIRE_MAX_FDS)
        return 0;
    uint16_t fds = (uint16_t)fd_count;
    uint32_t length = (uint32_t)(writer->used - WIRE_HEADER_BYTES);
    memcpy(writer->bytes + 6, &fds, sizeof fds);
    memcpy(writer->bytes + 8, &length, sizeof length);
    return writer->used;
}

void wire_retype(uint8_t *bytes, enum wire_type type) {
    uint16_t number = (uint16_t)type;
    memcpy(bytes + 4, &number, sizeof number);
}

bool wire_next(struct wire_reader *reader, struct wire_field *field) {
    size_t left = (size_t)(reader->end - reader->at);
    if (left < WIRE_FIELD_BYTES)
        return false;
    memcpy(&field->tag, reader->at, 4);
    memcpy(&field->length, reader->at + 4, 4);
    if (field->length > left - WIRE_FIELD_BYTES)
        return false;
    field->value = reader->at + WIRE_FIELD_BYTES;
    reader->at = field->value + field->length;
    return true;
}

bool wire_open_header(struct wire_reader *reader, const uint8_t *bytes, size_t length) {
    uint32_t magic, body;
    if (length < WIRE_HEADER_BYTES || length > WIRE_MAX_BYTES)
        return false;
    memcpy(&magic, bytes, 4);
    memcpy(&reader->type, bytes + 4, 2);
    memcpy(&reader->fd_count, bytes + 6, 2);
    memcpy(&body, bytes + 8, 4);
    if (magic != WIRE_MAGIC || body != length - WIRE_HEADER_BYTES || reader->fd_count > WIRE_MAX_FDS)
        return false;
    reader->at = bytes + WIRE_HEADER_BYTES;
    reader->end = bytes + length;
    return true;
}

bool wire_open(struct wire_reader *reader, const uint8_t *bytes, size_t length) {
    if (!wire_open_header(reader, bytes, length))
        return false;
    struct wire_reader probe = *reader;
    struct wire_field field;
    while (wire_next(&probe, &field))
        ;
    return probe.at == probe.end;
}

bool wire_u32(const struct wire_field *field, uint32_t *value) {
    if (field->length != sizeof *value)
        return false;
    memcpy(value, field->value, sizeof *value);
    return true;
}

bool wire_u64(const struct wire_field *field, uint64_t *value) {
    if (field->length != sizeof *value)
        return false;
    memcpy(value, field->value, sizeof *value);
    return true;
}

bool wire_u32s(const struct wire_field *field, uint32_t *values, size_t most, size_t *count) {
    if (field->length % sizeof *values != 0 || field->length / sizeof *values > most)
        return false;
    *count = field->length / sizeof *values;
    if (*count > 0)
        memcpy(values, field->value, field->length);
    return true;
}

char *wire_text(const struct wire_field *field) {
    if (memchr(field->value, '\0', field->length) != NULL)
        return NULL;
    char *text = malloc((size_t)field->length + 1);
    if (text == NULL)
        return NULL;
    memcpy(text, field->value, field->length);
    text[field->length] = '\0';
    return text;
}

int wire_send(int socket, const uint8_t *bytes, size_t length, const int *fds, unsigned fd_count) {
    if (length == 0 || fd_count > WIRE_MAX_FDS) {
        errno = EMSGSIZE;
        return -1;
    }
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * WIRE_MAX_FDS)];
    } control;
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

// Collects every descriptor of the message. More than `fds` can hold are closed and counted.
static unsigned collect_fds(struct msghdr *message, int *fds) {
    unsigned count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t number = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t index = 0; index < number; index++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + index * sizeof(int), sizeof fd);
            if (count < WIRE_MAX_FDS)
                fds[count] = fd;
            else
                close_fd(fd);
            count++;
        }
    }
    return count;
}

ssize_t wire_receive(int socket, uint8_t *bytes, size_t size, int *fds, unsigned *fd_count) {
    struct iovec iov = {.iov_base = bytes, .iov_len = size};
    // With the sender's credentials, which come before the descriptors and would take their room: they are
    // asked for where a connection is looked at (client.c).
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * WIRE_MAX_FDS)];
    } control;
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    *fd_count = 0;
    ssize_t length;
    do {
        length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    if (length < 0)
        return length;
    unsigned count = collect_fds(&message, fds);
    if (length == 0) { // the end, or an empty datagram, which may carry descriptors all the same
        for (unsigned index = 0; index < count && index < WIRE_MAX_FDS; index++)
            close_fd(fds[index]);
        return 0;
    }
    uint16_t declared = 0;
    if (length >= WIRE_HEADER_BYTES)
        memcpy(&declared, bytes + 6, sizeof declared);
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || count != declared) {
        for (unsigned index = 0; index < count && index < WIRE_MAX_FDS; index++)
            close_fd(fds[index]);
        errno = EBADMSG;
        return -1;
    }
    *fd_count = count;
    return length;
}

ssize_t wire_peek(int socket, uint8_t *bytes, size_t size) {
    ssize_t length;
    do {
        length = recv(socket, bytes, size, MSG_PEEK | MSG_TRUNC);
    } while (length < 0 && errno == EINTR);
    if (length > 0 && (size_t)length > size) {
        errno = EBADMSG;
        return -1;
    }
    return length;
}
