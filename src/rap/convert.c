/* convert.c: published checkpoints into GGUF. */
#include "rap.h"

#include "base/file.h"
#include "convert/convert.h"

#include <stdio.h>

/* Beside a checkpoint lie its configuration, its vocabulary and other shards. */
static rap_status spare_inputs(const char *in, const char *out, const char *vocab, rap_err *err)
{
    rap_status status = file_spare(out, in, "GGUF", err);

    if (status == RAP_OK)
        status = file_spare(out, vocab, NULL, err);
    return status == RAP_OK ? file_spare_beside(out, in, "GGUF", err) : status;
}

rap_status rap_convert(const char *in_path, const char *out_path,
                       const rap_convert_options *options, char *error, size_t error_size)
{
    rap_err err = { 0 };
    rap_status status;
    convert_options inside = { .vocab = options ? options->vocab : NULL,
                               .image_size = options ? options->image_size : 0 };

    if (error && error_size)
        *error = '\0';
    if (!in_path || !out_path)
        status = err_set(&err, RAP_E_ARGUMENT, "converting needs a file to read and one to write");
    else if (inside.image_size < 0)
        status = err_set(&err, RAP_E_ARGUMENT, "pictures of %d pixels", inside.image_size);
    else
        status = convert_type_of(&inside.type, options ? options->type : NULL, &err);
    if (status == RAP_OK)
        status = spare_inputs(in_path, out_path, inside.vocab, &err);
    if (status == RAP_OK)
        status = convert_file(in_path, out_path, &inside, &err);
    if (status != RAP_OK && error && error_size)
        snprintf(error, error_size, "%s", err.text);
    return status;
}
