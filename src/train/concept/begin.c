/* begin.c: see begin.h. */
#include "train/concept/begin.h"

#include "base/mem.h"
#include "generate/vlm_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TOKENS = 64 };

rap_status begin_at_text(float *in, float *out, const decoder *d, const vlm *v, const char *text,
                         rap_err *err)
{
    llama_token token[MOST_TOKENS];
    size_t width = (size_t)decoder_shape(d)->width;
    float *row = mem_array(2 * width, sizeof *row);
    int count = llama_tokenize(v->tokens.vocab, text, (int32_t)strlen(text), token, MOST_TOKENS,
                               false, false);

    if (!row)
        return err_memory(err, "learning a concept");
    for (int i = 0; i < count; i++) {
        decoder_token_rows(row, row + width, d, token[i]);
        for (size_t k = 0; k < width; k++) {
            if (in)
                in[k] += row[k] / (float)count;
            if (out)
                out[k] += row[width + k] / (float)count;
        }
    }
    free(row);
    return RAP_OK;
}

void begin_anywhere(float *in, const decoder *d, draw *drawn)
{
    size_t vocab = (size_t)decoder_shape(d)->vocab;

    decoder_token_rows(in, NULL, d, (int32_t)draw_below(drawn, vocab));
}

double begin_spread(const decoder *d, bool out)
{
    size_t width = (size_t)decoder_shape(d)->width;
    int64_t vocab = decoder_shape(d)->vocab, step = vocab / 256 ? vocab / 256 : 1;
    float *row = mem_array(width, sizeof *row);
    double sum = 0;
    int64_t count = 0;

    for (int64_t t = 0; row && t < vocab; t += step, count++) {
        decoder_token_rows(out ? NULL : row, out ? row : NULL, d, (int32_t)t);
        for (size_t k = 0; k < width; k++)
            sum += (double)row[k] * (double)row[k] / (double)width;
    }
    free(row);
    return count ? sqrt(sum / (double)count) : 0.02;
}
