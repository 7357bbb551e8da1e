/* fuzz_state_dict.c: checkpoints in one file: safetensors, and archives of torch.save. Every tensor of
 * what opens is read. */
#include "formats/state_dict.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    state_dict *d;
    rap_err err = { 0 };
    int fd = fuzz_file(path, data, size);
    if (state_dict_open(&d, path, &err) == RAP_OK)
        for (size_t i = 0; i < state_dict_count(d); i++) {
            float *values;
            (void)state_tensor_floats(state_dict_at(d, i), &values, &err);
            free(values);
        }
    state_dict_close(d);
    close(fd);
    return 0;
}
