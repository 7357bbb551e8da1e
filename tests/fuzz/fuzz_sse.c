/* fuzz_sse.c: a stream of events, whole and byte by byte: both give the same. */
#include "fuzz/fuzz.h"
#include "net/sse.h"

#include <string.h>

enum { LIMIT = 4096 };

static rap_status note(const char *name, const char *data, size_t size, void *payload, rap_err *err)
{
    buf *out = payload;

    (void)err;
    if (data[size] != '\0' || size > LIMIT || strlen(name) > 63)
        abort();
    buf_printf(out, "%s=%zu:", name, size);
    buf_add(out, data, size);
    return RAP_OK;
}

static rap_status read_by(buf *out, const uint8_t *data, size_t size, size_t piece)
{
    rap_status status = RAP_OK;
    sse s;

    sse_init(&s, LIMIT, note, out);
    for (size_t at = 0; at < size && status == RAP_OK; at += piece)
        status = sse_add(&s, (const char *)data + at, size - at < piece ? size - at : piece, NULL);
    sse_release(&s);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    buf whole = BUF_INIT, bytes = BUF_INIT;
    rap_status a = read_by(&whole, data, size, size ? size : 1);
    rap_status b = read_by(&bytes, data, size, 1);

    if (a != b || whole.len != bytes.len ||
        (whole.len && memcmp(whole.data, bytes.data, whole.len) != 0))
        abort();
    buf_release(&whole);
    buf_release(&bytes);
    return 0;
}
