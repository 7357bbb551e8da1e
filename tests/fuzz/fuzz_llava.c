/* fuzz_llava.c: a LLaVA in a folder, converted. An input is up to seven texts with a NUL between them: which of the two
 * files is made, the header of model.safetensors, then config.json, tokenizer_config.json, added_tokens.json,
 * tokenizer.json and generation_config.json, none where empty. The numbers of the tensors are all zero. Without a
 * tokenizer.json there is a small tokenizer.model, which never changes. */
#include "convert/convert.h"
#include "fuzz/fuzz.h"

#include <string.h>

enum { DATA = 1 << 16, TEXTS = 7, TOKENIZER = 5 };

static const char *const names[TEXTS] = {
    "",
    "model.safetensors",
    "config.json",
    "tokenizer_config.json",
    "added_tokens.json",
    "tokenizer.json",
    "generation_config.json",
};
/* "<unk>", a control piece, "a", and merges */
static const char small[] =
    "\x0a\x09\x0a\x05<unk>\x18\x02\x0a\x07\x0a\x03<s>\x18\x03\x0a\x03\x0a\x01"
    "a\x12\x02\x18\x02";
static char work[64];

static void remove_work(void)
{
    char path[128];
    for (int i = 1; i < TEXTS; i++) {
        snprintf(path, sizeof path, "%s/%s", work, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/tokenizer.model", work);
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
    static const uint8_t zeros[DATA];
    char path[128];
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

static void start(void)
{
    snprintf(work, sizeof work, "/dev/shm/rap-fuzz-XXXXXX");
    if (!mkdtemp(work))
        abort();
    atexit(remove_work);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char out[128];
    rap_err err = { 0 };
    convert_options options = { .part = CONVERT_LLM };
    if (!*work)
        start();
    for (int i = 0; i < TEXTS; i++) {
        const uint8_t *stop = size ? memchr(data, 0, size) : NULL;
        size_t len = stop ? (size_t)(stop - data) : size;
        if (i == 0) {
            options.part = len && data[0] == 'm' ? CONVERT_MMPROJ : CONVERT_LLM;
            options.type = len > 1 ? (convert_type)(data[1] % 5) : CONVERT_KEEP;
        } else {
            save(names[i], data, len, i == 1);
        }
        if (i == TOKENIZER)
            save("tokenizer.model", (const uint8_t *)small, len ? 0 : sizeof small - 1, false);
        data += len + (stop != NULL);
        size -= len + (stop != NULL);
    }
    snprintf(out, sizeof out, "%s/out.gguf", work);
    (void)convert_file(work, out, &options, &err);
    return 0;
}
