/* made_safetensors.h: safetensors files made by hand, honest and otherwise. */
#ifndef RAP_TESTS_CONVERT_MADE_SAFETENSORS_H
#define RAP_TESTS_CONVERT_MADE_SAFETENSORS_H

#include "convert/made.h"

/* `length` 0: the header's true one. Then `size` bytes counting 0, 1, 2, … */
static inline void save_safetensors(const char *path, const char *header, uint64_t length, size_t size)
{
    buf b = BUF_INIT;
    put(&b, length ? length : strlen(header), 8);
    buf_puts(&b, header);
    for (size_t i = 0; i < size; i++)
        buf_putc(&b, (char)i);
    save_as(path, &b);
    buf_release(&b);
}

static inline void save_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

#endif
