/* fuzz_convert.c: a whole folder as Hugging Face lays it out, converted. An input is up to seven texts with
 * a NUL between them: the type of the output and a size of pictures, the header of model.safetensors, then config.json,
 * preprocessor_config.json, merges.txt, vocab.json or tokenizer.json, and open_clip_config.json, none
 * where empty. The numbers of the tensors are all zero: as many as the header needs, within a bound. */
#include "convert/convert.h"
#include "fuzz/fuzz.h"

#include <string.h>

enum { DATA = 1 << 16, TEXTS = 7, TOKENIZER = 5 };

static const char *const names[TEXTS] = {
    "",           "model.safetensors", "config.json",          "preprocessor_config.json",
    "merges.txt", "vocab.json",        "open_clip_config.json"
};
static char work[64];

static void remove_work(void)
{
    char path[128];
    for (int i = 1; i < TEXTS; i++) {
        snprintf(path, sizeof path, "%s/%s", work, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/tokenizer.json", work);
    unlink(path);
    snprintf(path, sizeof path, "%s/out.gguf", work);
    unlink(path);
    rmdir(work);
}

/* How many bytes the largest data_offsets need; the header is not to be trusted, so within a bound. */
static size_t data_size(const uint8_t *header, size_t size)
{
    size_t largest = 0, number = 0;
    for (size_t i = 0; i < size; i++) {
        bool digit = header[i] >= '0' && header[i] <= '9';
        number = digit && number < DATA ? number * 10 + (size_t)(header[i] - '0') : 0;
        if (number > largest && number <= DATA && i + 1 < size && header[i + 1] == ']')
            largest = number;
    }
    return largest;
}

static void save(const char *name, const uint8_t *text, size_t size, bool tensors)
{
    char path[128];
    static const uint8_t zeros[DATA];
    uint64_t length = size;
    snprintf(path, sizeof path, "%s/%s", work, name);
    unlink(path);
    FILE *f = size ? fopen(path, "wb") : NULL;
    if (!f)
        return;
    if (tensors)
        fwrite(&length, 8, 1, f);
    fwrite(text, 1, size, f);
    if (tensors)
        fwrite(zeros, 1, data_size(text, size), f);
    fclose(f);
}

static void listen(void *payload, const char *line)
{
    *(size_t *)payload += strlen(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char out[128];
    rap_err err = { 0 };
    convert_options options = { 0 };
    if (!*work) {
        snprintf(work, sizeof work, "/dev/shm/rap-fuzz-XXXXXX");
        if (!mkdtemp(work))
            abort();
        atexit(remove_work);
    }
    for (int i = 0; i < TEXTS; i++) {
        const uint8_t *stop = size ? memchr(data, 0, size) : NULL;
        size_t len = stop ? (size_t)(stop - data) : size;
        bool tokenizer = i == TOKENIZER && len > 8 && !memcmp(data, "{\"model\"", 8);
        if (i == 0)
            options = (convert_options){ .type = len ? (convert_type)(data[0] % 5) : CONVERT_KEEP,
                                         .image_size = len > 1 ? data[1] : 0 };
        else
            save(tokenizer ? "tokenizer.json" : names[i], data, len, i == 1);
        if (i == TOKENIZER) /* not the last input's */
            save(tokenizer ? "vocab.json" : "tokenizer.json", NULL, 0, false);
        data += len + (stop != NULL);
        size -= len + (stop != NULL);
    }
    snprintf(out, sizeof out, "%s/out.gguf", work);
    size_t said = 0;
    options.remark = listen;
    options.payload = &said;
    (void)convert_file(work, out, &options, &err);
    return 0;
}
