/* fuzz_img2img.c: the reply of an image-to-image service: what comes out begins like a picture. */
#include "fuzz/fuzz.h"

#include "image/image.h"
#include "remote/img2img.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    buf out = BUF_INIT;
    rap_err err = { 0 };
    bool again = false;
    rap_status status = img2img_read(&out, &again, (const char *)data, size, &err);

    if (status == RAP_OK ? !image_is_picture(out.data, out.len) || again
                         : out.len > 0 || !*err.text || err.status != status)
        abort();
    buf_release(&out);
    return 0;
}
