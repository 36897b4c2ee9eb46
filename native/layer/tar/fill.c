// Makes an entry of its header block and the extended headers before it.
#include <string.h>

#include "report.h"
#include "tar/reader.h"

static int kind_of(const struct tar_header *header, const char *path, enum tar_kind *kind, struct err *err) {
    char type[2] = {header->type, '\0'};
    switch (header->type) {
    case '\0':
    case '0':
    case '7': {
        // Before ustar had directories, a name that ends in a slash was one.
        size_t length = strlen(path);
        *kind = length > 0 && path[length - 1] == '/' ? TAR_DIRECTORY : TAR_FILE;
        return 0;
    }
    case 'S':
        *kind = TAR_FILE;
        return 0;
    case '1':
        *kind = TAR_HARDLINK;
        return 0;
    case '2':
        *kind = TAR_SYMLINK;
        return 0;
    case '3':
    case '4':
        *kind = TAR_DEVICE;
        return 0;
    case '5':
        *kind = TAR_DIRECTORY;
        return 0;
    case '6':
        *kind = TAR_FIFO;
        return 0;
    default:
        return err_plain(err, FAILURE_REFUSED, "unknown type of entry",
                         header->type >= ' ' && header->type <= '~' ? type : "");
    }
}

static char *take_or_copy(char **taken, const char *otherwise) {
    char *text = *taken;
    *taken = NULL;
    return text != NULL ? text : strdup(otherwise);
}

static int fill_names(struct tar_reader *reader, const struct tar_header *header, struct tar_entry *entry,
                      struct err *err) {
    entry->path = take_or_copy(&reader->pax.path, header->name);
    entry->link = take_or_copy(&reader->pax.link, header->link);
    if (entry->path == NULL || entry->link == NULL)
        return err_sys(err, "remember a name", "");
    if (kind_of(header, entry->path, &entry->kind, err) < 0)
        return -1;
    // A folder without a name is the root: programs that strip "./" write it so.
    if (entry->path[0] == '\0' && entry->kind != TAR_DIRECTORY)
        return err_plain(err, FAILURE_REFUSED, "an entry without a name", "");
    bool link = entry->kind == TAR_HARDLINK || entry->kind == TAR_SYMLINK;
    if (link && entry->link[0] == '\0')
        return err_plain(err, FAILURE_REFUSED, "a link without a target", "");
    return 0;
}

static void fill_numbers(struct tar_reader *reader, const struct tar_header *header,
                         struct tar_entry *entry) {
    struct pax *pax = &reader->pax;
    entry->mode = header->mode;
    entry->uid = pax->has_uid ? pax->uid : header->uid;
    entry->gid = pax->has_gid ? pax->gid : header->gid;
    entry->mtime = pax->has_mtime ? pax->mtime : (struct timespec){.tv_sec = (time_t)header->mtime};
    // Only files have data. Some old writers give links the size of what they point to, with nothing
    // behind the header: every reader of today takes it as no data.
    entry->size = entry->kind == TAR_FILE ? (pax->has_size ? pax->size : header->size) : 0;
    entry->stored = entry->size;
    entry->xattrs = pax->attributes.xattrs;
    entry->xattr_count = pax->attributes.xattr_count;
    pax->attributes.xattrs = NULL;
    pax->attributes.xattr_count = 0;
}

// A sparse file's map must lie within the file, in order, and describe exactly the stored data.
static int check_segments(const struct tar_entry *entry, struct err *err) {
    uint64_t end = 0;
    uint64_t sum = 0;
    for (size_t index = 0; index < entry->segment_count; index++) {
        const struct tar_segment *segment = &entry->segments[index];
        if (segment->offset < end || segment->offset > entry->size ||
            segment->length > entry->size - segment->offset)
            return err_plain(err, FAILURE_DAMAGED, "malformed map of a sparse file", "");
        end = segment->offset + segment->length;
        sum += segment->length;
    }
    return sum == entry->stored ? 0 : err_plain(err, FAILURE_DAMAGED, "malformed map of a sparse file", "");
}

static int fill_segments(struct tar_reader *reader, const struct tar_header *header, const uint8_t *block,
                         struct tar_entry *entry, struct err *err) {
    struct pax *pax = &reader->pax;
    tar_reader_expect(reader, entry->stored);
    if (entry->kind != TAR_FILE)
        return 0;
    if (header->type == 'S' && header->gnu) {
        if (tar_sparse_gnu(reader, block, entry, err) < 0)
            return -1;
    } else if (pax->sparse) {
        entry->size = pax->has_sparse_size ? pax->sparse_size : entry->size;
        entry->segments = pax->segments;
        entry->segment_count = pax->segment_count;
        pax->segments = NULL;
        pax->segment_count = 0;
        if (pax->sparse_major == 1 && tar_sparse_pax(reader, entry, err) < 0)
            return -1;
        if (pax->sparse_major > 1)
            return err_plain(err, FAILURE_REFUSED, "sparse file of an unknown version", "");
    } else {
        return pax_add_segment(&entry->segments, &entry->segment_count, 0, entry->size, err);
    }
    return check_segments(entry, err);
}

int tar_reader_fill(struct tar_reader *reader, const struct tar_header *header, const uint8_t *raw,
                    struct tar_entry *entry, struct err *err) {
    if (fill_names(reader, header, entry, err) < 0)
        return -1;
    fill_numbers(reader, header, entry);
    return fill_segments(reader, header, raw, entry, err);
}
