/* fuzz_picture.c: pictures from anywhere. What is decoded has pixels; what is not, a reason. Pictures of the kinds that a
 * process of its own decodes are decoded in this one, so that it is seen what happens there. */
#include "decode/foreign.h"
#include "fuzz/fuzz.h"
#include "image/decode.h"
#include "image/vips_start.h"

#include <string.h>

enum { MOST_PIXELS = 1 << 18 }; /* of one input: the harness is for faults, not for patience */

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* libvips takes seconds to start under sanitizers, which are no fault of the first input. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return vips_start(NULL) == RAP_OK ? 0 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    image_kind kind = image_kind_of(data, size);
    image_facts facts = { .orientation = 1 };
    buf pixels = BUF_INIT;
    image out = { 0 };
    rap_err err = { 0 };
    rap_status status = decode_read(&facts, &pixels, kind, data, size, "fuzz", &err);

    if (status == RAP_OK && (facts.width > MOST_PIXELS || facts.height > MOST_PIXELS ||
                             facts.width * facts.height > MOST_PIXELS))
        goto cleanup;
    if (status == RAP_OK && (kind == IMAGE_WEBP || kind == IMAGE_HEIF))
        status = foreign_decode(&out, data, size, "fuzz", &err);
    else if (status == RAP_OK)
        status = image_decode(&out, data, size, "fuzz", &err);
    if (status != RAP_OK && (out.rgb || !*err.text || strchr(err.text, '\n')))
        abort();
    if (status == RAP_OK && (out.width < 1 || out.height < 1 || !out.rgb))
        abort();
cleanup:
    image_release(&out);
    buf_release(&pixels);
    image_facts_release(&facts);
    return 0;
}
