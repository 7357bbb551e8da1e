/* load.c: a picture's bytes, from a path or from memory. */
#include "base/file.h"
#include "base/mem.h"
#include "image/image.h"

#include <stdlib.h>

rap_status image_read_bytes(char **out, size_t *out_size, const rap_image *source, rap_err *err)
{
    *out = NULL;
    *out_size = 0;
    if (source->path)
        return file_read_stream(out, out_size, source->path, IMAGE_MAX_BYTES, err);
    if (!source->bytes || source->size == 0)
        return err_set(err, RAP_E_ARGUMENT, "picture: neither a path nor bytes given");
    if (source->size > IMAGE_MAX_BYTES)
        return err_set(err, RAP_E_LIMIT, "picture: has %zu bytes, the limit is %u", source->size,
                       IMAGE_MAX_BYTES);
    *out = mem_string_n(source->bytes, source->size);
    if (!*out)
        return err_memory(err, "copying a picture");
    *out_size = source->size;
    return RAP_OK;
}

rap_status image_load(image *out, const char *path, rap_err *err)
{
    char *bytes = NULL;
    size_t size = 0;
    rap_status status;

    *out = (image){ 0 };
    status = file_read_stream(&bytes, &size, path, IMAGE_MAX_BYTES, err);
    if (status == RAP_OK)
        status = image_decode(out, bytes, size, path, err);
    free(bytes);
    return status;
}
