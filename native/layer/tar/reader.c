#include "tar/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "report.h"

enum {
    BUFFER_BYTES = 256 * 1024,
    // A pax header holds a path and the attributes of one file: 64 KiB for each attribute, times a few.
    MAX_EXTENSION_BYTES = 1024 * 1024,
};

int tar_reader_open(struct tar_reader *reader, int fd, uint64_t max_bytes, struct err *err) {
    memset(reader, 0, sizeof *reader);
    reader->fd = fd;
    reader->max_bytes = max_bytes;
    reader->buffer = malloc(BUFFER_BYTES);
    return reader->buffer != NULL ? 0 : err_sys(err, "allocate a buffer", "");
}

void tar_reader_close(struct tar_reader *reader) {
    free(reader->buffer);
    pax_clear(&reader->pax);
    memset(reader, 0, sizeof *reader);
}

// Reads until `wanted` bytes are buffered. Returns how many are: fewer only at the end of the stream.
static ssize_t buffered(struct tar_reader *reader, size_t wanted, struct err *err) {
    if (reader->end - reader->start >= wanted)
        return (ssize_t)(reader->end - reader->start);
    if (reader->start > 0) {
        memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
    }
    while (reader->end < wanted) {
        ssize_t got = read(reader->fd, reader->buffer + reader->end, BUFFER_BYTES - reader->end);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_sys(err, "read the archive", "");
        if (got == 0)
            break;
        reader->end += (size_t)got;
    }
    return (ssize_t)reader->end;
}

static int use(struct tar_reader *reader, size_t length, struct err *err) {
    reader->start += length;
    reader->offset += length;
    if (reader->offset > reader->max_bytes)
        return err_plain(err, FAILURE_EXCESS, "the archive is larger than the limit of bytes allows", "");
    return 0;
}

int tar_reader_block(struct tar_reader *reader, uint8_t block[TAR_BLOCK], struct err *err) {
    ssize_t got = buffered(reader, TAR_BLOCK, err);
    if (got < 0)
        return -1;
    if (got < TAR_BLOCK)
        return err_plain(err, FAILURE_DAMAGED, "the archive ends too early", "");
    memcpy(block, reader->buffer + reader->start, TAR_BLOCK);
    return use(reader, TAR_BLOCK, err);
}

ssize_t tar_reader_data(struct tar_reader *reader, const uint8_t **bytes, size_t limit, struct err *err) {
    *bytes = NULL;
    if (reader->data_left == 0)
        return 0;
    ssize_t got = buffered(reader, 1, err);
    if (got < 0)
        return -1;
    if (got == 0) {
        (void)err_plain(err, FAILURE_DAMAGED, "the archive ends too early", "");
        return -1;
    }
    size_t length = (size_t)got;
    if (length > reader->data_left)
        length = (size_t)reader->data_left;
    if (length > limit)
        length = limit;
    *bytes = reader->buffer + reader->start;
    reader->data_left -= length;
    return use(reader, length, err) < 0 ? -1 : (ssize_t)length;
}

void tar_reader_expect(struct tar_reader *reader, uint64_t size) {
    reader->data_left = size;
    reader->padding = (unsigned)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

// Where the archive is a file, data that nobody wants is not read. Its last byte is, by the caller, so that
// an archive that ends too early is noticed.
static int seek_data(struct tar_reader *reader, struct err *err) {
    uint64_t skip = reader->data_left;
    size_t have = reader->end - reader->start;
    if (!reader->seekable || skip <= have + 1)
        return 0;
    skip -= have + 1;
    if (lseek(reader->fd, (off_t)skip, SEEK_CUR) < 0)
        return err_sys(err, "seek in the archive", "");
    reader->start = reader->end;
    reader->data_left -= have + skip;
    reader->offset += have + skip;
    return 0;
}

static int skip_data(struct tar_reader *reader, struct err *err) {
    const uint8_t *bytes;
    ssize_t got;
    if (seek_data(reader, err) < 0)
        return -1;
    while ((got = tar_reader_data(reader, &bytes, BUFFER_BYTES, err)) > 0)
        ;
    if (got < 0)
        return -1;
    reader->data_left = reader->padding;
    reader->padding = 0;
    while ((got = tar_reader_data(reader, &bytes, BUFFER_BYTES, err)) > 0)
        ;
    return got < 0 ? -1 : 0;
}

// The body of an extended header, whole and with a NUL after it.
static char *extension(struct tar_reader *reader, uint64_t size, struct err *err) {
    if (size > MAX_EXTENSION_BYTES) {
        (void)err_plain(err, FAILURE_REFUSED, "an extended header of more than 1 MiB", "");
        return NULL;
    }
    cleanup_free char *text = malloc((size_t)size + 1);
    if (text == NULL) {
        (void)err_sys(err, "remember an extended header", "");
        return NULL;
    }
    tar_reader_expect(reader, size);
    size_t used = 0;
    const uint8_t *bytes;
    ssize_t got;
    while ((got = tar_reader_data(reader, &bytes, (size_t)size - used, err)) > 0) {
        memcpy(text + used, bytes, (size_t)got);
        used += (size_t)got;
    }
    if (got < 0 || skip_data(reader, err) < 0)
        return NULL;
    text[used] = '\0';
    char *whole = text;
    text = NULL;
    return whole;
}

// Takes a header that describes the entry after it. Returns 1 where it was one, 0 where not.
static int take_extension(struct tar_reader *reader, const struct tar_header *header, struct err *err) {
    if (strchr("xXgLKV", header->type) == NULL || header->type == '\0')
        return 0;
    cleanup_free char *text = extension(reader, header->size, err);
    if (text == NULL)
        return -1;
    struct pax *pax = &reader->pax;
    // A global header (g) tells a default for the rest of the archive; git and others use it for
    // comments, and no writer of images for anything. V is a label for the whole archive.
    if (header->type == 'x' || header->type == 'X')
        return pax_parse((uint8_t *)text, (size_t)header->size, pax, err) < 0 ? -1 : 1;
    if (header->type == 'L' || header->type == 'K') {
        char **name = header->type == 'L' ? &pax->path : &pax->link;
        free(*name);
        *name = text;
        text = NULL;
    }
    return 1;
}

// After the end marker only zeros and nothing of meaning may follow (programs pad to 10 KiB). All of it
// is read, so that whoever writes the stream can finish, and so that its digest covers it.
static int drain(struct tar_reader *reader, struct err *err) {
    reader->at_end = true;
    for (;;) {
        ssize_t got = buffered(reader, 1, err);
        if (got <= 0)
            return (int)got;
        if (use(reader, (size_t)got, err) < 0)
            return -1;
    }
}

// One zero block and the end of the stream, or two zero blocks, end an archive.
static int end_of_archive(struct tar_reader *reader, struct err *err) {
    ssize_t got = buffered(reader, TAR_BLOCK, err);
    if (got < 0)
        return -1;
    if (got >= TAR_BLOCK && !tar_block_is_zero(reader->buffer + reader->start))
        return err_plain(err, FAILURE_DAMAGED, "not a tar header (a single block of zeros before it)", "");
    if (reader->pax.path != NULL || reader->pax.link != NULL || reader->pax.has_size)
        return err_plain(err, FAILURE_DAMAGED, "an extended header with no entry after it", "");
    return drain(reader, err);
}

int tar_reader_next(struct tar_reader *reader, struct tar_entry *entry, struct err *err) {
    memset(entry, 0, sizeof *entry);
    if (reader->at_end)
        return 0;
    if (skip_data(reader, err) < 0)
        return -1;
    pax_clear(&reader->pax);
    reader->entry_at = reader->offset;
    if (reader->open_end) {
        ssize_t got = buffered(reader, 1, err);
        if (got <= 0) {
            reader->at_end = got == 0;
            return (int)got;
        }
    }
    for (;;) {
        uint8_t block[TAR_BLOCK];
        struct tar_header header;
        if (tar_reader_block(reader, block, err) < 0)
            return -1;
        if (tar_block_is_zero(block))
            return end_of_archive(reader, err);
        if (tar_header_parse(block, &header, err) < 0)
            return -1;
        int extended = take_extension(reader, &header, err);
        if (extended < 0)
            return -1;
        if (extended > 0)
            continue;
        if (tar_reader_fill(reader, &header, block, entry, err) == 0)
            return 1;
        return -1; // with what is known of the entry, so that the message can name it
    }
}
