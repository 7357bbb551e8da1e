/* fuzz_sentencepiece.c: a tokenizer.model. */
#include "formats/sentencepiece.h"
#include "fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    spm_model *m = NULL;
    rap_err err = { 0 };
    size_t sum = 0;

    if (spm_parse(&m, data, size, "tokenizer.model", &err) == RAP_OK)
        for (size_t i = 0; i < m->count; i++)
            sum += strlen(m->piece[i].text) + (size_t)m->piece[i].type;
    spm_close(m);
    return sum == SIZE_MAX;
}
