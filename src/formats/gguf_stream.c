/* gguf_stream.c: writes a GGUF whose tensors do not fit into memory together. */
#include "base/file.h"
#include "base/mem.h"
#include "base/temp.h"
#include "formats/gguf_write_inside.h"

#include <stdlib.h>
#include <sys/stat.h>

struct gguf_stream {
    temp file;
    char *path;
    uint64_t left;   /* bytes of tensors to come, padding included */
    uint64_t inside; /* bytes of the tensor so far */
};

rap_status gguf_stream_open(gguf_stream **out, const gguf_writer *w, const char *path, rap_err *err)
{
    buf head = BUF_INIT;
    gguf_stream *s = mem_array(1, sizeof *s);
    rap_status status = s ? RAP_OK : err_memory(err, "writing a GGUF");

    *out = NULL;
    if (status == RAP_OK) {
        *s = (gguf_stream){ TEMP_INIT, mem_string(path), w->declared, 0 };
        status =
            s->path ? gguf_writer_head(&head, w, path, err) : err_memory(err, "writing a GGUF");
    }
    if (status == RAP_OK && file_is_folder(path))
        status = err_set(err, RAP_E_ARGUMENT, "%s: is a folder, not a file", path);
    if (status == RAP_OK)
        status = temp_file(&s->file, path, 0666, err);
    if (status == RAP_OK)
        status = file_room(s->file.fd, head.len + w->declared, path, err);
    if (status == RAP_OK && !file_put(s->file.fd, head.data, head.len))
        status = err_file(err, path, "writing");
    buf_release(&head);
    if (status == RAP_OK)
        *out = s;
    else
        gguf_stream_close(s);
    return status;
}

rap_status gguf_stream_write(gguf_stream *s, const void *bytes, size_t size, rap_err *err)
{
    if (size > s->left)
        return err_set(err, RAP_E_ARGUMENT, "%s: more bytes than were declared", s->path);
    s->left -= size;
    s->inside += size;
    return file_put(s->file.fd, bytes, size) ? RAP_OK : err_file(err, s->path, "writing");
}

rap_status gguf_stream_end_tensor(gguf_stream *s, rap_err *err)
{
    static const char zeros[GGUF_ALIGNMENT];
    size_t over = s->inside % GGUF_ALIGNMENT;
    rap_status status = over ? gguf_stream_write(s, zeros, GGUF_ALIGNMENT - over, err) : RAP_OK;

    s->inside = 0;
    return status;
}

static rap_status check_whole(const gguf_stream *s, rap_err *err)
{
    if (s->left)
        return err_set(err, RAP_E_ARGUMENT, "%s: fewer bytes than were declared", s->path);
    return RAP_OK;
}

rap_status gguf_stream_publish(gguf_stream *s, rap_err *err)
{
    rap_status status = check_whole(s, err);

    return status == RAP_OK ? temp_publish(&s->file, s->path, TEMP_REPLACE, err) : status;
}

rap_status gguf_stream_keep(gguf_stream *s, temp *out, rap_err *err)
{
    rap_status status = check_whole(s, err);

    if (status == RAP_OK) {
        *out = s->file;
        s->file = (temp)TEMP_INIT;
    }
    return status;
}

void gguf_stream_close(gguf_stream *s)
{
    if (!s)
        return;
    temp_remove(&s->file);
    free(s->path);
    free(s);
}
