/* convert.c: rap_convert(): published checkpoints to GGUF. */
#include "rap.h"

#include "base/file.h"
#include "convert/convert.h"
#include "generate/quantise.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Either none is given, or three valid numbers of each. */
static bool good_colours(const convert_options *o)
{
    bool given = false, good = true;
    for (int i = 0; i < 3; i++) {
        given = given || o->std[i] != 0 || o->mean[i] != 0;
        good = good && o->mean[i] >= 0 && o->mean[i] <= 1 && o->std[i] > 0 && o->std[i] <= 1;
    }
    return good || !given;
}

/* The folder of a checkpoint also holds its configuration, its vocabulary and other shards. */
static rap_status spare_inputs(const char *in, const char *out, const char *vocab, rap_err *err)
{
    rap_status status = file_spare(out, in, "GGUF", err);

    if (status == RAP_OK)
        status = file_spare(out, vocab, NULL, err);
    return status == RAP_OK ? file_spare_beside(out, in, "GGUF", err) : status;
}

/* A folder gets the two files of a LLaVA. */
static rap_status spare_all(const char *in, const char *out, const char *vocab, rap_err *err)
{
    static const char *const names[] = { "model.gguf", "mmproj.gguf" };
    rap_status status = RAP_OK;

    if (!file_is_folder(out))
        return spare_inputs(in, out, vocab, err);
    for (size_t i = 0; status == RAP_OK && i < 2; i++) {
        char *path = path_join(out, names[i]);

        status = path ? spare_inputs(in, path, vocab, err) : err_memory(err, "converting");
        free(path);
    }
    return status;
}

rap_status rap_convert(const char *in_path, const char *out_path,
                       const rap_convert_options *options, char *error, size_t error_size)
{
    rap_err err = { 0 };
    rap_status status;
    convert_options inside = { .quantise = quantise };

    if (error && error_size)
        *error = '\0';
    if (options) {
        inside.vocab = options->vocab;
        inside.tower = options->tower;
        inside.image_size = options->image_size;
        memcpy(inside.mean, options->mean, sizeof inside.mean);
        memcpy(inside.std, options->std, sizeof inside.std);
        inside.remark = options->remark;
        inside.on_progress = options->on_progress;
        inside.payload = options->payload;
    }
    if (!in_path || !out_path)
        status = err_set(&err, RAP_E_ARGUMENT, "rap_convert() needs an input and an output path");
    else if (inside.image_size < 0)
        status = err_set(&err, RAP_E_ARGUMENT, "pictures of %d pixels", inside.image_size);
    else if (!good_colours(&inside))
        status = err_set(&err, RAP_E_ARGUMENT,
                         "mean and std must be three numbers from 0 to 1 each, those of std "
                         "above 0");
    else
        status = convert_set_type(&inside, options ? options->type : NULL, &err);
    if (status == RAP_OK)
        status = spare_all(in_path, out_path, inside.vocab, &err);
    if (status == RAP_OK)
        status = convert_file(in_path, out_path, &inside, &err);
    if (status != RAP_OK && error && error_size)
        snprintf(error, error_size, "%s", err.text);
    return status;
}
