/* fuzz_picture.c: pictures from anywhere. What is decoded has pixels; what is not, a reason. */
#include "fuzz/fuzz.h"
#include "image/image.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    image out;
    rap_err err = { 0 };

    if (image_decode(&out, data, size, "fuzz", &err) != RAP_OK) {
        if (out.rgb || !*err.text || strchr(err.text, '\n'))
            abort();
        return 0;
    }
    if (out.width < 1 || out.height < 1 || !out.rgb)
        abort();
    image_release(&out);
    return 0;
}
