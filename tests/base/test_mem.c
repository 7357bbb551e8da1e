/* test_mem.c: checked sizes and copies (src/base/mem.c). */
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void sizes_do_not_wrap(void **state)
{
    size_t out = 0;

    assert_true(mem_mul(&out, 1000, 1000));
    assert_int_equal(out, 1000000);
    assert_false(mem_mul(&out, SIZE_MAX / 2, 3));
    assert_true(mem_add(&out, SIZE_MAX - 1, 1));
    assert_false(mem_add(&out, SIZE_MAX, 1));
}

static void arrays_are_zeroed_or_absent(void **state)
{
    unsigned char *memory = mem_array(100, 7);

    assert_non_null(memory);
    for (int i = 0; i < 700; i++)
        assert_int_equal(memory[i], 0);
    free(memory);
    /* volatile: the compiler warns about sizes that it can see to be impossible */
    volatile size_t huge = SIZE_MAX / 2;
    assert_null(mem_array(huge, 3));
    memory = mem_array(0, 8);
    assert_non_null(memory);
    free(memory);
}

static void aligned_is_aligned(void **state)
{
    for (size_t bytes = 0; bytes < 300; bytes += 37) {
        unsigned char *memory = mem_aligned(bytes);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 64, 0);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(memory[i], 0);
        free(memory);
    }
    volatile size_t huge = SIZE_MAX - 3;
    assert_null(mem_aligned(huge));
}

static void copies(void **state)
{
    char *text = mem_string("bo"), *part = mem_string_n("boxer", 2), *bytes = mem_copy("a\0b", 3);

    assert_string_equal(text, "bo");
    assert_string_equal(part, "bo");
    assert_memory_equal(bytes, "a\0b", 3);
    free(text);
    free(part);
    free(bytes);
    assert_null(mem_string(NULL));
    assert_null(mem_string_n("x", SIZE_MAX));
    bytes = mem_copy(NULL, 0);
    assert_non_null(bytes);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(arrays_are_zeroed_or_absent),
        cmocka_unit_test(aligned_is_aligned),
        cmocka_unit_test(copies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
