/* fuzz_mask.c: a "segmentation" of COCO's is parsed and filled (src/dataset/mask.c). */
#include "fuzz/fuzz.h"

#include "dataset/mask.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    dataset_mask *m = mask_parse(json, 40, 30);
    uint8_t *cover = calloc(40 * 30, 3);

    if (m && cover)
        mask_fill(cover, m);
    free(cover);
    mask_free(m);
    json_decref(json);
    return 0;
}
